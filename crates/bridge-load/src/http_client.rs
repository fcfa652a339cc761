//! HTTP/1.1 over one connection that is kept, without TLS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::error::LoadError;

/// A client of one server.
pub(crate) struct HttpClient {
    server: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl HttpClient {
    pub(crate) const fn new(server: SocketAddr) -> Self {
        Self { server, connection: None }
    }

    /// Sends a JSON body. A kept connection that the server has closed is opened again once.
    pub(crate) fn send_json(
        &mut self,
        method: &str,
        path: &str,
        body: &str,
    ) -> Result<HttpAnswer, LoadError> {
        let was_kept = self.connection.is_some();
        match self.exchange(method, path, body) {
            Err(_) if was_kept => self.exchange(method, path, body),
            result => result,
        }
        .map_err(LoadError::io(format!("{method} http://{}{path}", self.server)))
    }

    fn exchange(&mut self, method: &str, path: &str, body: &str) -> std::io::Result<HttpAnswer> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => BufReader::new(connect(self.server)?),
        };
        let server = self.server;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/json\r\n\
             Accept: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.get_mut().write_all(request.as_bytes())?;
        let (answer, keep) = read_answer(&mut connection)?;
        if keep {
            self.connection = Some(connection);
        }
        Ok(answer)
    }
}

fn connect(server: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The answer, and whether the connection may be used again.
fn read_answer(reader: &mut impl BufRead) -> std::io::Result<(HttpAnswer, bool)> {
    let status_line = line(reader)?;
    let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| wrong("no status line"))?;
    let (mut length, mut chunked, mut keep) = (None, false, true);
    for _ in 0..MAX_HEADERS {
        let header = line(reader)?;
        if header.is_empty() {
            let body = match (chunked, length) {
                (true, _) => read_chunks(reader)?,
                (false, Some(length)) => read_exactly(reader, length)?,
                (false, None) if status == NO_CONTENT => Vec::new(),
                (false, None) => {
                    keep = false;
                    let mut body = Vec::new();
                    reader.take(MAX_BODY as u64).read_to_end(&mut body)?;
                    body
                }
            };
            return Ok((HttpAnswer { status, body }, keep));
        }
        let Some((name, value)) = header.split_once(':') else { continue };
        let value = value.trim().to_ascii_lowercase();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok(),
            "transfer-encoding" => chunked = value.contains("chunked"),
            "connection" => keep = value != "close",
            _ => {}
        }
    }
    Err(wrong("too many headers"))
}

fn read_chunks(reader: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = line(reader)?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| wrong("no chunk size"))?;
        if size == 0 {
            while !line(reader)?.is_empty() {}
            return Ok(body);
        }
        if body.len() + size > MAX_BODY {
            return Err(wrong("too long"));
        }
        body.extend(read_exactly(reader, size)?);
        line(reader)?;
    }
}

fn read_exactly(reader: &mut impl BufRead, length: usize) -> std::io::Result<Vec<u8>> {
    if length > MAX_BODY {
        return Err(wrong("too long"));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(body)
}

fn line(reader: &mut impl BufRead) -> std::io::Result<String> {
    let mut line = String::new();
    reader.take(MAX_LINE).read_line(&mut line)?;
    if line.ends_with('\n') {
        return Ok(line.trim_end().to_owned());
    }
    Err(wrong("the connection ended"))
}

fn wrong(what: &str) -> std::io::Error {
    std::io::Error::other(what)
}

/// Longer than a bridge takes for any request.
const PATIENCE: Duration = Duration::from_secs(30);
const NO_CONTENT: u16 = 204;
const MAX_HEADERS: usize = 100;
const MAX_LINE: u64 = 16 << 10;
/// An answer about an endpoint has a few kilobytes.
const MAX_BODY: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(u16, String, bool)> {
        let (answer, keep) = read_answer(&mut text.as_bytes()).ok()?;
        Some((answer.status, String::from_utf8(answer.body).ok()?, keep))
    }

    #[test]
    fn answers_are_read() {
        for (text, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc", (200, "ab", true)),
            ("HTTP/1.1 404 No\r\nconnection: Close\r\ncontent-length: 0\r\n\r\n", (404, "", false)),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
                (200, "abc", true),
            ),
            ("HTTP/1.1 200 OK\r\n\r\nall", (200, "all", false)),
        ] {
            let (status, body, keep) = expected;
            assert_eq!(read(text), Some((status, body.to_owned(), keep)));
        }
    }

    #[test]
    fn broken_answers_are_refused() {
        for text in [
            "",
            "HTTP/1.1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "HTTP/1.1 200 OK\r\nA: b",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
