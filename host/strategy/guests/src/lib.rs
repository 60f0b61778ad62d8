//! Home of the guests in `examples/`.
