//! STUN messages, as the demultiplexer of a shard reads them.

use bridge_transport::stun::{Message, binding_request_ufrag, class, transaction_id};

use crate::transport::binding_request;

/// A datagram.
pub fn run(data: &[u8]) {
    let message = Message::parse(data);
    assert_eq!(message.map(Message::transaction_id), transaction_id(data));
    assert_eq!(message.map(Message::class), class(data));
    let Some(message) = message else {
        return assert_eq!(binding_request_ufrag(data), None);
    };
    let (username, ufrag) = (message.username(), message.local_ufrag());
    assert!(ufrag.is_none() || username.is_some_and(|name| name.contains(':')));
    if message.is_binding() {
        let _ufrag = binding_request_ufrag(data);
    }
}

/// A request, an answer, and one that is too short.
pub fn seeds() -> Vec<Vec<u8>> {
    let request = binding_request(1, &[]);
    let mut answer = request.clone();
    answer[0] = 1;
    let short = request[..24].to_vec();
    vec![request, answer, short]
}
