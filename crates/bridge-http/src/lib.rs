//! The private HTTP server: colibri2 over JSON, health, version, metrics, statistics, drain,
//! shutdown and debug state (JVB: `Main`, `rest/*`; jicoco: `Health`, `Version`).
//!
//! Owns paths, methods, status codes and content types. Owns no meaning: everything is asked of a
//! [`BridgeService`].

#![forbid(unsafe_code)]

mod about;
mod answer;
mod conferences;
mod debug;
mod lifecycle;
mod metrics;
mod muc_client;
mod server;
mod service;

pub use metrics::MetricsFormat;
pub use server::{HttpSettings, MAX_REQUEST_BYTES, router, serve};
pub use service::{Answer, BridgeService, MucClientError, Shutdown, Version};
