//! Sessions and plugins, from outside: one module a topic, guests from `../../guests/examples`.

mod capacity;
mod cost;
mod hostile;
mod loading;
mod sandbox;
mod support;
mod turns;
