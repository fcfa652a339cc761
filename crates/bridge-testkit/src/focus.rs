use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bridge_demo::{ColibriAnswer, ColibriHandler, Demo, Limits};
use bridge_signaling::colibri2::ConferenceModify;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::TestkitError;

/// A focus outside of the bridge: the demo's rooms and pages, with a bridge that is reached over XMPP
/// or REST. Each page that is opened at [`ScriptedFocus::page_url`] becomes a participant.
pub struct ScriptedFocus {
    demo: Arc<Demo>,
    address: SocketAddr,
    tasks: [JoinHandle<()>; 2],
}

impl ScriptedFocus {
    /// Serves pages on a free port of loopback.
    pub async fn start(bridge: Arc<dyn ColibriHandler>) -> Result<Self, TestkitError> {
        let demo = Demo::new(bridge, Limits::default());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.map_err(TestkitError::io("loopback"))?;
        let address = listener.local_addr().map_err(TestkitError::io("loopback"))?;
        let router = demo.router();
        let serving = tokio::spawn(async move {
            // Ends with the test, which has failed by then if this did.
            let _ = axum::serve(listener, router).await;
        });
        let expiring = Arc::clone(&demo);
        let expiry = tokio::spawn(async move { expiring.expire_vanished().await });
        Ok(Self { demo, address, tasks: [serving, expiry] })
    }

    /// Where a participant called `name` joins `room`, sending pictures `height` lines high.
    pub fn page_url(&self, room: &str, name: &str, height: u16) -> String {
        // `localhost` and not the address: pages get cameras only from places that are trusted.
        let port = self.address.port();
        format!("http://localhost:{port}/demo?room={room}&name={name}&height={height}")
    }

    /// The rooms, to join without a browser.
    pub fn demo(&self) -> &Arc<Demo> {
        &self.demo
    }
}

impl Drop for ScriptedFocus {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Passes requests on and remembers when each endpoint was asked for.
pub struct ObservedBridge {
    inner: Arc<dyn ColibriHandler>,
    asked_at: Mutex<HashMap<String, Duration>>,
    last: Mutex<Option<ConferenceModify>>,
}

impl ObservedBridge {
    /// Observes the requests to `inner`.
    pub fn new(inner: Arc<dyn ColibriHandler>) -> Arc<Self> {
        Arc::new(Self { inner, asked_at: Mutex::default(), last: Mutex::default() })
    }

    /// When the request that created the endpoint was sent, since the epoch: comparable with a
    /// page's `Date.now()`.
    pub fn asked_at(&self, endpoint: &str) -> Option<Duration> {
        self.asked_at.lock().unwrap_or_else(PoisonError::into_inner).get(endpoint).copied()
    }

    /// The newest request.
    pub fn last_request(&self) -> Option<ConferenceModify> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ColibriHandler for ObservedBridge {
    fn conference_modify(&self, request: ConferenceModify) -> ColibriAnswer {
        let now = since_epoch();
        let mut asked_at = self.asked_at.lock().unwrap_or_else(PoisonError::into_inner);
        for endpoint in request.endpoints.iter().filter(|endpoint| endpoint.create) {
            asked_at.insert(endpoint.id.to_string(), now);
        }
        drop(asked_at);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(request.clone());
        self.inner.conference_modify(request)
    }
}

#[expect(clippy::disallowed_methods, reason = "the wall clock that browsers show to their pages")]
fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
