//! Serve the Model Context Protocol over Streamable HTTP with no session at all.
