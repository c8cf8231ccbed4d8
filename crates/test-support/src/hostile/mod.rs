//! Hostile clients over sockets, and what must hold during and after each storm of them.
//!
//! Every answer keeps the contract, the process survives, a well-behaved neighbour is served
//! without a failure and about as fast as before, and memory, descriptors, threads and connections
//! return to their former level.
//!
//! `HOSTILE=long` makes the floods larger, repeats each storm, and prints a table of figures, which
//! are meaningful only with `--release`. `HOSTILE=short` prints the table for the short form.

pub mod bodies;
pub mod contract;
pub mod fields;
pub mod floods;
pub mod hangups;
pub mod heads;
pub mod http2;
pub mod names;
pub mod neighbour;
pub mod patience;
pub mod process;
pub mod readers;
pub mod requests;
pub mod states;
pub mod storm;
pub mod target;
pub mod wire;

/// Generates a module of tests for each server, with a test for each storm.
///
/// ```ignore
/// test_support::storms! {
///     quickstart: crate::examples::QUICKSTART;
/// }
/// ```
#[macro_export]
macro_rules! storms {
    (@tests $example:path: $($module:ident::$storm:ident,)*) => {
        $(
            #[tokio::test]
            async fn $storm() {
                $crate::hostile::$module::$storm(&$example).await;
            }
        )*
    };
    ($($name:ident: $example:path;)*) => {
        $(
            mod $name {
                $crate::storms! { @tests $example:
                    bodies::broken_bodies,
                    fields::wrong_types,
                    floods::floods_beyond_descriptors,
                    floods::floods_of_connections,
                    floods::floods_of_listeners,
                    floods::floods_of_neighbours,
                    floods::floods_of_questions,
                    floods::floods_of_visits,
                    hangups::hang_ups,
                    heads::broken_heads,
                    http2::frames_of_http_2,
                    names::misleading_names,
                    readers::large_answers_unread,
                    readers::requests_without_reading,
                    readers::streams_unread,
                    states::forged_states,
                }
            }
        )*
    };
}
