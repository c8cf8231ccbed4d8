//! What the wire must show, by requests to a server in memory (with a clock of its
//! own where time matters) and over sockets. `ARCHITECTURE.md` has the table of
//! which test shows which behaviour.

mod answer_guard;
mod answering;
mod askers;
mod asking;
mod asking_beside_work;
mod asking_forged;
mod asking_legacy;
mod auth;
mod catalogs;
mod collections;
mod documentation;
mod draining;
mod failures;
mod given;
mod handlers;
mod layers;
mod listening;
mod log;
mod macros;
mod metadata;
mod missing;
mod origins;
mod parts;
mod prompts;
mod reading;
mod resources;
mod schemas;
mod serving;
mod site;
mod stateless;
mod support;
mod testing;
mod tools;
mod versions;
mod ways_in;
