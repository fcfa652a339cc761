use std::net::{Ipv4Addr, SocketAddr};

use serde_json::{Value, json};

use crate::{TestkitError, http};

/// One WebDriver session (W3C WebDriver): one browser.
pub(crate) struct Session {
    server: SocketAddr,
    id: String,
}

impl Session {
    /// Opens a session, which starts a browser.
    pub(crate) async fn open(port: u16, capabilities: Value) -> Result<Self, TestkitError> {
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let body = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let value = exchange(server, "POST", "/session", &body).await?;
        let id = value["sessionId"].as_str().map(str::to_owned);
        let id = id.ok_or_else(|| TestkitError::unexpected(PEER, &value))?;
        Ok(Self { server, id })
    }

    /// Executes one command below the session.
    pub(crate) async fn post(&self, command: &str, body: Value) -> Result<Value, TestkitError> {
        exchange(self.server, "POST", &self.path(command), &body).await
    }

    /// Reads something below the session.
    pub(crate) async fn get(&self, command: &str) -> Result<Value, TestkitError> {
        exchange(self.server, "GET", &self.path(command), &Value::Null).await
    }

    /// Deletes something below the session, or the session itself.
    pub(crate) async fn delete(&self, command: &str) -> Result<Value, TestkitError> {
        exchange(self.server, "DELETE", &self.path(command), &Value::Null).await
    }

    fn path(&self, command: &str) -> String {
        format!("/session/{}{command}", self.id)
    }
}

async fn exchange(
    server: SocketAddr,
    method: &str,
    path: &str,
    body: &Value,
) -> Result<Value, TestkitError> {
    let answer = if body.is_null() {
        http::request(server, method, path, &[], b"").await?
    } else {
        http::send_json(server, method, path, body).await?
    };
    let mut value = answer.json();
    if answer.status == 200 {
        return Ok(value["value"].take());
    }
    let error = &value["value"];
    let (kind, message) = (&error["error"], &error["message"]);
    Err(TestkitError::unexpected(PEER, format!("{method} {path}: {kind} {message}")))
}

const PEER: &str = "chromedriver";
