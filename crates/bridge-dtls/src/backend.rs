use bridge_units::Timestamp;

use crate::error::DtlsError;
use crate::outbox::Outbox;

/// One handshake attempt and, if it succeeds, the association. After an error it is thrown away.
///
/// A backend pushes `Connected` only when the peer's certificate was judged good and SRTP keys
/// are there, and no application data before that.
pub(crate) trait Backend: Send {
    /// Begins: a client sends its first flight.
    fn start(&mut self, now: Timestamp, out: &mut Outbox) -> Result<(), DtlsError>;

    /// Takes a datagram of the peer.
    fn handle_datagram(
        &mut self,
        now: Timestamp,
        datagram: &[u8],
        out: &mut Outbox,
    ) -> Result<(), DtlsError>;

    /// Lets timers fire that are due.
    fn handle_timeout(&mut self, now: Timestamp, out: &mut Outbox) -> Result<(), DtlsError>;

    /// Seals one message.
    fn send(&mut self, now: Timestamp, data: &[u8], out: &mut Outbox) -> Result<(), DtlsError>;

    /// Says goodbye, if there is anybody to say it to.
    fn close(&mut self, now: Timestamp, out: &mut Outbox);

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    fn poll_timeout(&self) -> Option<Timestamp>;

    /// Whether `Connected` was pushed.
    fn is_connected(&self) -> bool;
}
