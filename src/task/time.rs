//! Times as clients read them.

/// Formats milliseconds since 1970 as ISO 8601 in UTC, such as `2026-07-28T09:05:00.250Z`.
pub(super) fn iso_8601(millis: u64) -> String {
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let mut text = String::with_capacity(24);
    for (number, digits, end) in [
        (year, if year > 9999 { year.ilog10() + 1 } else { 4 }, '-'),
        (month, 2, '-'),
        (day, 2, 'T'),
        (hour, 2, ':'),
        (minute, 2, ':'),
        (second, 2, '.'),
        (millis, 3, 'Z'),
    ] {
        // Without `format!`, which takes ten times as long: each reply about a task contains two times.
        text.extend((0..digits).rev().map(|place| digit(number, place)));
        text.push(end);
    }
    text
}

/// Returns the digit of a number at a place, counted from its end.
fn digit(number: u64, place: u32) -> char {
    let digit = number / 10_u64.pow(place) % 10;
    u32::try_from(digit).ok().and_then(|digit| char::from_digit(digit, 10)).unwrap_or_default()
}

/// Returns the year, month and day of a day since 1970, in the Gregorian calendar.
fn date(days: u64) -> (u64, u64, u64) {
    // Counted from the first of March of year 0, so that leap days end their years.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::iso_8601;

    #[test]
    fn times_are_written_in_the_gregorian_calendar() {
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_785_229_500_250, "2026-07-28T09:05:00.250Z"),
            (253_402_300_800_000, "10000-01-01T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(iso_8601(millis), expected);
        }
    }
}
