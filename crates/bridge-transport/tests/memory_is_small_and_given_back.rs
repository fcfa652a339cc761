//! What a connected session holds, and that it holds nothing once it is gone.

mod common;

use std::time::Duration;

use common::World;

/// Resident memory in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.expect("Linux says so") * 4096
}

fn connected() -> World {
    let mut world = World::connected();
    world.run_for(Duration::from_secs(20));
    world.clients.clear();
    world.sent = Vec::new();
    world.events = Vec::new();
    world
}

#[test]
fn sessions_cost_little_and_leave_nothing() {
    drop((0..5).map(|_| connected()).collect::<Vec<_>>());
    let before = resident();
    let sessions: Vec<_> = (0..60).map(|_| connected()).collect();
    let each = resident().saturating_sub(before) / sessions.len();
    println!("a connected session holds {each} bytes (upper bound, with its test client's rests)");
    println!("the struct itself {} bytes", size_of::<bridge_transport::PeerTransport>());
    assert!(each < 64 << 10, "{each}");
    drop(sessions);
    for _ in 0..3 {
        drop((0..60).map(|_| connected()).collect::<Vec<_>>());
    }
    let growth = resident().saturating_sub(before) / 60;
    assert!(growth < 64 << 10, "what 60 sessions hold, not what 240 would: {growth}");
}
