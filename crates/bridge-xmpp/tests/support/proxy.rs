use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

/// Passes connections on to a server, counts and cuts them.
pub(crate) struct Proxy {
    address: SocketAddr,
    cut: broadcast::Sender<()>,
    accepted: Arc<AtomicU32>,
}

impl Proxy {
    pub(crate) async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let cut = broadcast::Sender::new(1);
        let accepted = Arc::new(AtomicU32::new(0));
        let (counter, cuts) = (accepted.clone(), cut.clone());
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                let mut cut = cuts.subscribe();
                tokio::spawn(async move {
                    let Ok(mut server) = TcpStream::connect(server).await else { return };
                    let passing = tokio::io::copy_bidirectional(&mut client, &mut server);
                    tokio::select! {
                        _ = passing => {}
                        _ = cut.recv() => {}
                    }
                });
            }
        });
        Self { address, cut, accepted }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Connections so far.
    pub(crate) fn accepted(&self) -> u32 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Breaks all connections; new ones are accepted.
    pub(crate) fn cut(&self) {
        self.cut.send(()).ok();
    }
}
