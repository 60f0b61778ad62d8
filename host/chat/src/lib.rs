//! The chat media server: a page for customers, and the way from there to an agent and back.
//!
//! A customer's first line becomes an interaction that is on-line; strategies route it like any other. Lines go
//! into a [transcript](transcript) on disk before anybody sees them. An agent reads and writes through the
//! Interaction Server (ESP service `Chat`, see [`ChatServer`]). When the customer is gone for longer than a
//! while, the interaction goes off-line.

mod chats;
mod pace;
mod server;
mod transcript;
mod web;

pub use server::{ChatServer, ChatSettings, FaultCode, SERVICE};

/// Files block, so they have threads of their own.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)?
}
