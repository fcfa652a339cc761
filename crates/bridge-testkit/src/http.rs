//! An HTTP/1.1 client for servers on this machine: one request per connection, no TLS.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::TestkitError;

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The status line and header lines.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// Sends a request without a body.
pub async fn get(server: SocketAddr, path: &str) -> Result<Response, TestkitError> {
    request(server, "GET", path, &[], b"").await
}

/// Sends a request with a JSON body.
pub async fn send_json(
    server: SocketAddr,
    method: &str,
    path: &str,
    body: &Value,
) -> Result<Response, TestkitError> {
    let headers = [("Content-Type", "application/json")];
    request(server, method, path, &headers, body.to_string().as_bytes()).await
}

/// Sends any request.
pub async fn request(
    server: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Response, TestkitError> {
    let peer = format!("{method} http://{server}{path}");
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    let exchange = async {
        let mut stream = TcpStream::connect(server).await?;
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body).await?;
        read_response(&mut stream).await
    };
    let bytes = tokio::time::timeout(PATIENCE, exchange)
        .await
        .map_err(|_| TestkitError::Timeout { what: peer.clone(), patience: PATIENCE })?
        .map_err(TestkitError::io(&peer))?;
    parse(&bytes).ok_or_else(|| TestkitError::unexpected(&peer, String::from_utf8_lossy(&bytes)))
}

/// Reads until the announced length is there, or the end of the stream: chromedriver keeps
/// connections open whatever it was asked.
async fn read_response(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(bytes);
        }
        if bytes.len() > MAX_RESPONSE_LEN {
            return Err(std::io::Error::other("the response is too long"));
        }
        if let Some((head, body)) = split_head(&bytes)
            && header(&head, "content-length").and_then(|v| v.parse().ok()) == Some(body.len())
        {
            return Ok(bytes);
        }
    }
}

fn parse(bytes: &[u8]) -> Option<Response> {
    let (head, body) = split_head(bytes)?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let chunked = header(&head, "transfer-encoding").is_some_and(|v| v.contains("chunked"));
    let body = if chunked { dechunk(body)? } else { body.to_vec() };
    Some(Response { status, head, body })
}

fn split_head(bytes: &[u8]) -> Option<(String, &[u8])> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, rest) = bytes.split_at(end);
    Some((String::from_utf8_lossy(head).into_owned(), rest.get(4..)?))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn dechunk(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(body.get(..end)?).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        let start = end + 2;
        whole.extend_from_slice(body.get(start..start.checked_add(size)?)?);
        body = body.get(start + size + 2..)?;
    }
}

/// Longer than any answer takes; WebDriver scripts wait at most 30 s.
const PATIENCE: Duration = Duration::from_secs(60);

/// A screenshot has a few megabytes.
const MAX_RESPONSE_LEN: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_read() {
        let response = parse(b"HTTP/1.1 404 Not Found\r\nA: b\r\n\r\n{\"a\":1}").expect("is whole");
        assert_eq!((response.status, response.json()["a"].as_u64()), (404, Some(1)));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x\r\nd\r\n0\r\n\r\n";
        assert_eq!(parse(chunked).map(|r| r.text()), Some("abcd".into()));
    }

    #[test]
    fn broken_responses_are_refused() {
        for bytes in [
            &b""[..],
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ] {
            assert!(parse(bytes).is_none(), "{bytes:?}");
        }
    }
}
