//! Starts the data plane: addresses, sockets, shards.

use crate::settings;
use crate::videobridge::EventQueue;
use bridge_config::Config;
use bridge_dtls::DtlsContext;
use bridge_io::{Clock, UdpShards, bind, interface_addresses};
use bridge_shard::{SessionEvent, ShardSettings};
use bridge_transport::TransportContext;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;

/// Why media cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// DTLS or SRTP settings that leave nothing to negotiate.
    #[error("jmt.dtls or jmt.srtp: {0}")]
    Dtls(#[from] bridge_dtls::SettingsError),
    /// Threads or descriptors.
    #[error(transparent)]
    Shards(#[from] bridge_io::BindError),
}

/// The running data plane.
pub(crate) struct Media {
    pub(crate) shards: UdpShards,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) events: mpsc::Receiver<SessionEvent>,
    /// Set when a shard's thread has ended before it was told to.
    pub(crate) shard_died: Arc<AtomicBool>,
}

/// Checks what can be refused before any port is bound.
pub(crate) fn transport_context(
    config: &Config,
    clock: Clock,
) -> Result<Arc<TransportContext>, MediaError> {
    let dtls = DtlsContext::new(settings::dtls(config), clock.origin())?;
    Ok(TransportContext::new(dtls, settings::ice(config), clock.origin()))
}

/// Binds every usable address and starts the shards.
pub(crate) fn start(
    config: &Config,
    context: Arc<TransportContext>,
    clock: Clock,
) -> Result<Media, MediaError> {
    let udp = settings::udp(config);
    let wanted = settings::address_filter(config).select(&interface_addresses());
    let shard_died = Arc::new(AtomicBool::new(false));
    let died = Arc::clone(&shard_died);
    let bound = bind(&udp, &wanted)
        .coalescing(settings::coalescing(config))
        .on_shard_death(move |_| died.store(true, Ordering::Relaxed));
    for (address, error) in bound.refused() {
        tracing::warn!(%address, %error, "cannot bind an address for media, it is skipped");
    }
    for address in bound.addresses() {
        tracing::info!(
            %address,
            shards = udp.shards,
            receive_buffer = bound.receive_buffer_granted(),
            asked_for = udp.receive_buffer,
            "listening for media"
        );
    }
    let addresses = bound.addresses().to_vec();
    if addresses.is_empty() {
        tracing::warn!("No single-port harvesters created.");
    }
    let (sink, events) = EventQueue::new();
    let shard_settings = ShardSettings {
        local_addresses: addresses.clone().into(),
        context,
        media: settings::media(config),
    };
    let shards = bound.start(&udp, shard_settings, sink, clock)?;
    Ok(Media { shards, addresses, events, shard_died })
}
