//! Tests of the behaviour on the wire, with requests to a server in memory (with a paused clock
//! where time matters) and over sockets. The tables in `ARCHITECTURE.md` show which test covers
//! which behaviour.

mod answer_guard;
mod answering;
mod askers;
mod asking;
mod asking_beside_work;
mod asking_forged;
mod asking_legacy;
mod auth;
mod bounds;
mod catalogs;
mod collections;
mod connecting;
mod documentation;
mod draining;
mod failures;
mod given;
mod handlers;
mod layers;
mod listening;
mod log;
mod log_contents;
mod macros;
mod metadata;
mod missing;
mod observing;
mod origins;
mod parts;
mod prompts;
mod reading;
mod recorder;
mod resources;
mod schemas;
mod serving;
mod site;
mod spans;
mod stateless;
mod support;
mod tasks;
mod testing;
mod tools;
mod versions;
mod ways_in;
