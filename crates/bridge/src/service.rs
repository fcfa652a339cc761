//! One object behind XMPP, HTTP and the demo: who asks does not matter.

use crate::health::Health;
use crate::load::Load;
use crate::statistics::Statistics;
use crate::version::{NAME, OS, VERSION};
use crate::videobridge::Videobridge;
use bridge_demo::{ColibriAnswer, ColibriHandler};
use bridge_http::{Answer, BridgeService, MetricsFormat, MucClientError, Shutdown};
use bridge_signaling::colibri2::{ConferenceModified, ConferenceModify};
use bridge_signaling::{ErrorAnswer, StanzaErrorCondition};
use bridge_xmpp::{ConnectionSettings, HealthResult, ReplySender, RequestHandler, XmppConnections};
use serde_json::{Map, Value, json};
use std::sync::{Arc, OnceLock};
use tokio::sync::oneshot;

use crate::conference_task::ConferenceInput;

/// Answers everything that is asked from outside.
pub(crate) struct Service {
    pub(crate) bridge: Arc<Videobridge>,
    pub(crate) health: Arc<Health>,
    pub(crate) statistics: Arc<Statistics>,
    /// Set once the connections exist: they need this object first.
    pub(crate) xmpp: OnceLock<Arc<XmppConnections>>,
    pub(crate) runtime: tokio::runtime::Handle,
}

impl Service {
    fn execute(&self, request: ConferenceModify) -> ColibriAnswer {
        let (sender, receiver) = oneshot::channel();
        self.bridge.conference_modify(
            request,
            Box::new(move |answer| {
                // Whoever asked may be gone.
                let _ = sender.send(answer);
            }),
        );
        Box::pin(async move { receiver.await.unwrap_or_else(|_| Err(lost())) })
    }

    fn health_result(&self) -> Result<(), String> {
        self.health.result(self.bridge.now())
    }
}

/// The conference ended before it came to the request.
fn lost() -> ErrorAnswer {
    ErrorAnswer::new(StanzaErrorCondition::ItemNotFound).with_text("The conference has ended")
}

impl RequestHandler for Service {
    fn conference_modify(&self, request: ConferenceModify, reply: ReplySender) {
        self.bridge.conference_modify(request, Box::new(move |answer| reply.send(answer)));
    }

    fn health(&self) -> HealthResult {
        self.health_result()
    }

    fn version(&self) -> bridge_xmpp::Version {
        bridge_xmpp::Version { name: NAME.into(), version: VERSION.into(), os: OS.into() }
    }
}

impl ColibriHandler for Service {
    fn conference_modify(&self, request: ConferenceModify) -> ColibriAnswer {
        self.execute(request)
    }
}

impl BridgeService for Service {
    fn conference_modify(
        &self,
        request: ConferenceModify,
    ) -> Answer<Result<ConferenceModified, ErrorAnswer>> {
        self.execute(request)
    }

    fn conference_exists(&self, meeting_id: &str) -> bool {
        self.bridge.conference_exists(meeting_id)
    }

    fn health(&self) -> Result<(), String> {
        self.health_result()
    }

    fn version(&self) -> bridge_http::Version {
        bridge_http::Version { name: NAME.into(), version: VERSION.into(), os: OS.into() }
    }

    fn metrics(&self, format: MetricsFormat) -> String {
        self.statistics.metrics(format)
    }

    fn statistics(&self) -> Value {
        Value::Object(self.statistics.colibri_stats())
    }

    fn debug_state(&self, full: bool) -> Answer<Value> {
        let bridge = Arc::clone(&self.bridge);
        let mut state = bridge_state(&bridge, &self.statistics.load);
        state.insert("health".into(), health_state(&self.health_result()));
        Box::pin(async move {
            let mut conferences = Map::new();
            for (id, _) in bridge.conferences() {
                let conference = conference_state(&bridge, &id, None, full).await;
                conferences.insert(id, conference);
            }
            state.insert("conferences".into(), Value::Object(conferences));
            Value::Object(state)
        })
    }

    fn conference_debug_state(
        &self,
        conference: String,
        endpoint: Option<String>,
        full: bool,
    ) -> Answer<Value> {
        let bridge = Arc::clone(&self.bridge);
        let mut state = bridge_state(&bridge, &self.statistics.load);
        Box::pin(async move {
            let found = conference_state(&bridge, &conference, endpoint.as_deref(), full).await;
            state.insert("conferences".into(), json!({ conference: found }));
            Value::Object(state)
        })
    }

    fn drain(&self) -> bool {
        self.bridge.index().is_draining()
    }

    fn set_drain(&self, drain: bool) {
        self.bridge.index().set_drain(drain);
        self.bridge.note_state_change();
        tracing::info!(drain, "drain mode set");
    }

    fn shut_down(&self, how: Shutdown) {
        let now = self.bridge.now();
        {
            let mut index = self.bridge.index();
            match how {
                Shutdown::Graceful => index.shut_down_gracefully(now),
                Shutdown::Forced => index.shut_down(now),
            }
            tracing::info!(state = index.shutdown().state().as_str(), "shutdown requested");
        }
        self.bridge.note_state_change();
    }

    fn add_muc_client(
        &self,
        id: &str,
        properties: Vec<(String, String)>,
    ) -> Result<(), MucClientError> {
        let Some(xmpp) = self.xmpp.get().cloned() else {
            return Err(MucClientError("the bridge is starting".into()));
        };
        let pairs = properties.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let settings = ConnectionSettings::from_properties(pairs)
            .map_err(|error| MucClientError(error.to_string()))?;
        let id = id.to_owned();
        self.runtime.spawn(async move { xmpp.add(&id, settings).await });
        Ok(())
    }

    fn remove_muc_client(&self, id: &str) -> bool {
        let Some(xmpp) = self.xmpp.get().cloned() else { return false };
        let known = xmpp.ids().iter().any(|known| known == id);
        let id = id.to_owned();
        self.runtime.spawn(async move { xmpp.remove(&id).await });
        known
    }

    fn muc_clients(&self) -> Vec<String> {
        self.xmpp.get().map(|xmpp| xmpp.ids()).unwrap_or_default()
    }
}

fn bridge_state(bridge: &Videobridge, load: &Load) -> Map<String, Value> {
    let index = bridge.index();
    let state = json!({
        "shutdown_state": index.shutdown().state().as_str(),
        "drain": index.is_draining(),
        "time": crate::wall_clock::now_millis(),
        "load_management": load.to_json(),
    });
    match state {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn health_state(result: &Result<(), String>) -> Value {
    json!({
        "success": result.is_ok(),
        "hardFailure": true,
        "responseCode": null,
        "message": result.as_ref().err(),
    })
}

/// A conference's own account of itself; the string `"null"` for an unknown one, as in JVB.
async fn conference_state(
    bridge: &Videobridge,
    id: &str,
    endpoint: Option<&str>,
    full: bool,
) -> Value {
    let unknown = Value::String("null".to_owned());
    let Some(conference) = bridge.conference(id) else { return unknown };
    let (reply, answer) = oneshot::channel();
    if conference.send(ConferenceInput::DebugState { full, reply }).await.is_err() {
        return unknown;
    }
    let Ok(mut state) = answer.await else { return unknown };
    if let (Some(endpoint), Some(endpoints)) =
        (endpoint, state.get_mut("endpoints").and_then(Value::as_object_mut))
    {
        endpoints.retain(|id, _| id == endpoint);
    }
    state
}
