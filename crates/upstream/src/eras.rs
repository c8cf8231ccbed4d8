//! The eras that an upstream supports, as far as known.

use mcp_stateless::protocol::Era;

use super::handshake::About;

/// The eras that an upstream supports. Kept when a session fails, because most failures say nothing
/// about them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Eras {
    legacy: Option<bool>,
    modern: Option<bool>,
}

pub(super) fn other(era: Era) -> Era {
    match era {
        Era::Legacy => Era::Modern,
        Era::Modern => Era::Legacy,
    }
}

impl Eras {
    fn of(&mut self, era: Era) -> &mut Option<bool> {
        match era {
            Era::Legacy => &mut self.legacy,
            Era::Modern => &mut self.modern,
        }
    }

    pub(super) fn has(mut self, era: Era) -> Option<bool> {
        *self.of(era)
    }

    /// Returns the era to use for a client that prefers this one.
    pub(super) fn spoken(self, wanted: Option<Era>) -> Era {
        match wanted {
            Some(era) if self.has(era) != Some(false) => era,
            Some(era) => other(era),
            None if self.modern == Some(true) || self.legacy != Some(true) => Era::Modern,
            None => Era::Legacy,
        }
    }

    /// Learns from a session that was requested in the era `wanted`.
    pub(super) fn learn(&mut self, about: &About, wanted: Era) {
        *self.of(about.era) = Some(true);
        if about.era != wanted {
            if about.undecided.is_none() {
                *self.of(wanted) = Some(false);
            }
        } else if about.has_other_era && self.has(other(wanted)).is_none() {
            *self.of(other(wanted)) = Some(true);
        }
    }

    /// Records that this is the only era.
    pub(super) fn only(&mut self, era: Era) {
        *self.of(era) = Some(true);
        *self.of(other(era)) = Some(false);
    }
}

#[cfg(test)]
mod tests {
    use super::Eras;
    use mcp_stateless::protocol::Era;

    #[test]
    fn a_client_gets_its_own_era_unless_the_upstream_lacks_it() {
        let mut eras = Eras::default();
        assert_eq!(eras.spoken(None), Era::Modern);
        assert_eq!(eras.spoken(Some(Era::Legacy)), Era::Legacy);
        eras.legacy = Some(true);
        assert_eq!(eras.spoken(None), Era::Legacy);
        assert_eq!(eras.spoken(Some(Era::Modern)), Era::Modern);
        eras.modern = Some(false);
        assert_eq!(eras.spoken(Some(Era::Modern)), Era::Legacy);
        eras.only(Era::Modern);
        assert_eq!((eras.spoken(None), eras.spoken(Some(Era::Legacy))), (Era::Modern, Era::Modern));
    }
}
