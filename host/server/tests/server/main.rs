//! A whole server, through links, over pipes and TCP, on a real store.

mod durable;
mod hostile;
mod support;
mod way;
