//! Hostile clients against every example that serves, over sockets.
//!
//! In and after each storm, every answer is one that the contract knows, the process lives, a
//! neighbour who behaves is served without a failure and about as fast as before, and memory,
//! descriptors, threads and connections return to what they were.
//!
//! The example binaries are built by `cargo test`; a narrower `cargo test --test hostile` does
//! not build them. One test: `cargo test --test hostile everything::wrong_types`.
//!
//! `HOSTILE=long` makes the floods larger, repeats each storm, and prints a table of figures;
//! its figures are worth something with `--release` alone. `HOSTILE=short` prints the table of
//! the short form.

#![cfg(target_os = "linux")]

mod bodies;
mod contract;
mod fields;
mod floods;
mod hangups;
mod heads;
mod http2;
mod names;
mod neighbour;
mod patience;
mod process;
mod readers;
mod requests;
#[path = "../clients/server.rs"]
#[allow(dead_code, reason = "some is for other tests alone")]
mod server;
mod states;
mod storm;
mod target;
mod wire;

macro_rules! hostile {
    ($example:ident: $target:ident: $($module:ident::$storm:ident),* $(,)?) => {
        mod $example {
            $(
                #[tokio::test]
                async fn $storm() {
                    crate::$module::$storm(&crate::target::$target).await;
                }
            )*
        }
    };
}

macro_rules! for_all_examples {
    ($($module:ident::$storm:ident),* $(,)?) => {
        hostile!(quickstart: QUICKSTART: $($module::$storm),*);
        hostile!(hyper_server: HYPER_SERVER: $($module::$storm),*);
        hostile!(axum_app: AXUM_APP: $($module::$storm),*);
        hostile!(per_tenant: PER_TENANT: $($module::$storm),*);
        hostile!(ask_the_user: ASK_THE_USER: $($module::$storm),*);
        hostile!(live_resources: LIVE_RESOURCES: $($module::$storm),*);
        hostile!(everything: EVERYTHING: $($module::$storm),*);
        hostile!(gateway: GATEWAY: $($module::$storm),*);
    };
}

for_all_examples!(
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
);
