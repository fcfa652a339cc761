//! From a datagram to its session, or to nowhere.

use super::note;
use crate::figures::Figures;
use crate::path::{Datagram, PacketPath, PathSettings};
use crate::sampling::nanoseconds;
use anyhow::Result;
use std::net::SocketAddr;

pub(super) fn run(figures: &mut Figures) -> Result<()> {
    let settings = PathSettings { receivers: 20, transport_cc: false, has_video: true };
    let mut path = PacketPath::warm(settings)?;
    let sender = path.sender().address;
    let stranger = SocketAddr::from(([203, 0, 113, 5], 4_000));
    // A payload type that nobody negotiated ends the way right after the session is found.
    let unknown_type = [0x80, 77, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7, 1, 2, 3, 4];
    measure(figures, &mut path, "demultiplex_known_address", sender, &unknown_type);
    measure(figures, &mut path, "demultiplex_unknown_address", stranger, &unknown_type);
    measure(figures, &mut path, "demultiplex_unknown_ufrag", stranger, &binding_request());
    Ok(())
}

fn measure(
    figures: &mut Figures,
    path: &mut PacketPath,
    name: &str,
    from: SocketAddr,
    bytes: &[u8],
) {
    let now = path.now();
    let mut datagram = Datagram::from_bytes(from, bytes);
    let (shard, wire) = path.shard_and_wire();
    let sampled = nanoseconds(|| shard.handle_datagram(now, 0, from, datagram.content(), wire));
    note(figures, name, sampled);
}

/// To a session that never was (RFC 8489 section 5; the USERNAME of RFC 8445 section 7.2.2).
fn binding_request() -> Vec<u8> {
    let username = b"nobody:here.";
    let mut request = vec![0, 1, 0, 4 + username.len() as u8, 0x21, 0x12, 0xa4, 0x42];
    request.extend([7; 12]);
    request.extend([0, 6, 0, username.len() as u8]);
    request.extend(username);
    request
}
