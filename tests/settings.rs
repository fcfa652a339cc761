use bridge_signaling::colibri2::ConferenceModify;
use bridge_testkit::prosody::{AUTH_DOMAIN, BREWERY, FOCUS, JVB, Prosody, ProsodyOptions};
use bridge_testkit::{BridgeSettings, TestkitError, XmppAccount};
use serde_json::json;

/// A Prosody as in a deployment, except that the focus may log in without TLS.
pub fn start_prosody() -> Result<Prosody, TestkitError> {
    let options = ProsodyOptions { require_tls: false, ..ProsodyOptions::default() };
    Prosody::start_with(options)
        .map_err(|source| TestkitError::Start { program: "prosody".to_owned(), source })
}

/// A bridge that joins the brewery of `prosody`.
pub fn bridge_settings(prosody: &Prosody) -> BridgeSettings {
    let port = prosody.address().port();
    let (username, password) = (JVB.username, JVB.password);
    let extra = format!(
        "videobridge.apis.xmpp-client.configs.shard {{\n  HOSTNAME = \"127.0.0.1\"\n  \
         PORT = \"{port}\"\n  DOMAIN = \"{AUTH_DOMAIN}\"\n  USERNAME = \"{username}\"\n  \
         PASSWORD = \"{password}\"\n  MUC_JIDS = \"{BREWERY}\"\n  MUC_NICKNAME = \"jvb-under-test\"\n  \
         DISABLE_CERTIFICATE_VERIFICATION = true\n}}\n"
    );
    BridgeSettings { extra, ..BridgeSettings::default() }
}

/// How the focus logs in to `prosody`.
pub fn focus_account(prosody: &Prosody) -> XmppAccount {
    XmppAccount {
        server: prosody.address(),
        jid: format!("{}@{AUTH_DOMAIN}", FOCUS.username),
        password: FOCUS.password.to_owned(),
        brewery: BREWERY.to_owned(),
    }
}

/// The request that allocates an endpoint, and creates its conference.
pub fn allocate(meeting: &str, create: bool, endpoint: &str) -> ConferenceModify {
    let request = json!({
        "meeting-id": meeting,
        "name": "standup@conference.meet.localhost",
        "create": create,
        "endpoints": [{
            "id": endpoint,
            "create": true,
            "capabilities": ["source-names"],
            "medias": [{ "type": "audio", "payload-types": [
                { "id": 111, "name": "opus", "clockrate": 48000, "channels": 2 },
            ] }],
            "transport": { "ice-controlling": true, "sctp": {} },
            "sources": [],
        }],
    });
    ConferenceModify::from_json(&request).expect("the request is well formed")
}
