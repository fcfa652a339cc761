use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bridge_demo::{ColibriAnswer, ColibriHandler};
use bridge_signaling::colibri2::{ConferenceModified, ConferenceModify};
use bridge_units::Timestamp;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::TestkitError;
use crate::simulation::{Link, LinkCounters, LinkOutcome, LinkSettings, SimulationRandom};

/// An impaired path to the bridge in real time: clients that are sent to [`UdpRelay::address`] reach
/// the bridge over one simulated [`Link`] in each direction.
///
/// Each client address has a socket of its own towards the bridge, which therefore takes the relay
/// for a NAT.
pub struct UdpRelay {
    address: SocketAddr,
    path: Arc<Path>,
    tasks: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

/// Passes requests on and sends the media of some endpoints over a [`UdpRelay`], by putting its
/// address into the candidates that they are told.
pub struct RelayedBridge {
    inner: Arc<dyn ColibriHandler>,
    /// Relays by the `stats-id` of the endpoint, which is the name of a participant of the demo.
    routes: HashMap<String, SocketAddr>,
}

/// Both directions.
struct Path {
    origin: Instant,
    up: Mutex<Link>,
    down: Mutex<Link>,
}

/// A datagram on its way.
struct Departure {
    at: Instant,
    /// Keeps the order of those that leave at the same time.
    serial: u64,
    payload: Vec<u8>,
    socket: Arc<UdpSocket>,
    to: SocketAddr,
}

/// Where a datagram comes into a direction: its link, and the queue behind it.
struct Entrance {
    path: Arc<Path>,
    link: fn(&Path) -> &Mutex<Link>,
    queue: mpsc::Sender<Departure>,
}

impl UdpRelay {
    /// A relay to `bridge` on a free port of loopback, at first with nothing but its own cost.
    pub async fn start(bridge: SocketAddr) -> Result<Self, TestkitError> {
        let front = Arc::new(bind().await?);
        let address = front.local_addr().map_err(TestkitError::io(LOOPBACK))?;
        let free = LinkSettings::ideal().with_delay(Duration::ZERO);
        let path = Arc::new(Path {
            origin: Instant::now(),
            up: Mutex::new(link(free.clone(), UP_SEED, Timestamp::ZERO)),
            down: Mutex::new(link(free, DOWN_SEED, Timestamp::ZERO)),
        });
        let (up, leaving_up) = mpsc::channel(MAX_QUEUED);
        let (down, leaving_down) = mpsc::channel(MAX_QUEUED);
        let tasks = Arc::new(Mutex::new(vec![
            tokio::spawn(depart(leaving_up)),
            tokio::spawn(depart(leaving_down)),
        ]));
        let up = Entrance { path: Arc::clone(&path), link: |path| &path.up, queue: up };
        let down = Entrance { path: Arc::clone(&path), link: |path| &path.down, queue: down };
        let taking = take_from_clients(front, bridge, up, Arc::new(down), Arc::clone(&tasks));
        locked(&tasks).push(tokio::spawn(taking));
        Ok(Self { address, path, tasks })
    }

    /// Where clients send to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on datagrams to the bridge meet `settings`; counters start anew.
    pub fn set_up(&self, settings: LinkSettings) {
        *locked(&self.path.up) = link(settings, UP_SEED, self.path.now());
    }

    /// From now on datagrams to the client meet `settings`; counters start anew.
    pub fn set_down(&self, settings: LinkSettings) {
        *locked(&self.path.down) = link(settings, DOWN_SEED, self.path.now());
    }

    /// What happened to datagrams to the bridge since the last change.
    pub fn up(&self) -> LinkCounters {
        locked(&self.path.up).counters()
    }

    /// What happened to datagrams to the client since the last change.
    pub fn down(&self) -> LinkCounters {
        locked(&self.path.down).counters()
    }
}

impl RelayedBridge {
    /// Everybody reaches the bridge directly.
    pub fn new(inner: Arc<dyn ColibriHandler>) -> Self {
        Self { inner, routes: HashMap::new() }
    }

    /// The participant called `name` reaches it over `relay`.
    #[must_use]
    pub fn with_route(mut self, name: &str, relay: &UdpRelay) -> Self {
        self.routes.insert(name.to_owned(), relay.address());
        self
    }
}

impl ColibriHandler for RelayedBridge {
    fn conference_modify(&self, request: ConferenceModify) -> ColibriAnswer {
        let created = request.endpoints.iter().find_map(|endpoint| {
            let relay = self.routes.get(endpoint.stats_id.as_deref()?)?;
            Some((endpoint.id.clone(), *relay))
        });
        let answer = self.inner.conference_modify(request);
        Box::pin(async move {
            let mut answer = answer.await?;
            if let Some((id, relay)) = created {
                send_over(&mut answer, id.as_str(), relay);
            }
            Ok(answer)
        })
    }
}

/// One candidate is left: the relay.
fn send_over(answer: &mut ConferenceModified, id: &str, relay: SocketAddr) {
    let endpoints = answer.endpoints.iter_mut().filter(|endpoint| endpoint.id.as_str() == id);
    for transport in endpoints.filter_map(|endpoint| endpoint.transport.as_mut()) {
        let Some(ice) = &mut transport.ice else { continue };
        ice.candidates.truncate(1);
        for candidate in &mut ice.candidates {
            candidate.ip = relay.ip().to_string();
            candidate.port = relay.port();
        }
    }
}

async fn take_from_clients(
    front: Arc<UdpSocket>,
    bridge: SocketAddr,
    up: Entrance,
    down: Arc<Entrance>,
    tasks: Arc<Mutex<Vec<JoinHandle<()>>>>,
) {
    let mut sockets: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        // Loopback reports ports that nobody listens on any more as errors of the next call.
        let Ok((len, client)) = front.recv_from(&mut buffer).await else { continue };
        let socket = match sockets.get(&client) {
            Some(socket) => Arc::clone(socket),
            None if sockets.len() >= MAX_CLIENTS => continue,
            None => {
                let Ok(socket) = bind().await.map(Arc::new) else { continue };
                sockets.insert(client, Arc::clone(&socket));
                let (front, back) = (Arc::clone(&front), Arc::clone(&socket));
                let taking = take_from_bridge(back, front, client, Arc::clone(&down));
                locked(&tasks).push(tokio::spawn(taking));
                socket
            }
        };
        up.send(&buffer[..len], &socket, bridge);
    }
}

async fn take_from_bridge(
    back: Arc<UdpSocket>,
    front: Arc<UdpSocket>,
    client: SocketAddr,
    down: Arc<Entrance>,
) {
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        let Ok((len, _)) = back.recv_from(&mut buffer).await else { continue };
        down.send(&buffer[..len], &front, client);
    }
}

/// Sends each datagram when its time has come.
async fn depart(mut queue: mpsc::Receiver<Departure>) {
    let mut waiting = BinaryHeap::new();
    let mut serial = 0;
    loop {
        let next = waiting.peek().map(|departure: &Departure| departure.at);
        let far = Instant::now() + Duration::from_secs(3600);
        tokio::select! {
            arrived = queue.recv() => {
                let Some(departure) = arrived else { return };
                serial += 1;
                waiting.push(Departure { serial, ..departure });
            }
            () = tokio::time::sleep_until(next.unwrap_or(far)) => {
                if let Some(departure) = waiting.pop() {
                    // The peer may have gone, as peers behind a network may.
                    let _ = departure.socket.send_to(&departure.payload, departure.to).await;
                }
            }
        }
    }
}

impl Entrance {
    fn send(&self, payload: &[u8], socket: &Arc<UdpSocket>, to: SocketAddr) {
        let outcome = locked((self.link)(&self.path)).send(self.path.now(), payload);
        let LinkOutcome::Arrives(at) = outcome else { return };
        let at = self.path.origin + Duration::from_nanos(at.as_nanos());
        let (payload, socket) = (payload.to_vec(), Arc::clone(socket));
        // A full queue loses the datagram, as a router does.
        let _ = self.queue.try_send(Departure { at, serial: 0, payload, socket, to });
    }
}

impl Path {
    fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.origin.elapsed()
    }
}

impl Drop for UdpRelay {
    fn drop(&mut self) {
        locked(&self.tasks).iter().for_each(JoinHandle::abort);
    }
}

/// The earliest is the greatest, as `BinaryHeap` wants it.
impl Ord for Departure {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.serial).cmp(&(self.at, self.serial))
    }
}

impl PartialOrd for Departure {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Departure {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Departure {}

fn link(settings: LinkSettings, seed: u64, now: Timestamp) -> Link {
    let mut link = Link::new(settings, SimulationRandom::new(seed));
    link.begin(now);
    link
}

async fn bind() -> Result<UdpSocket, TestkitError> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(TestkitError::io(LOOPBACK))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const LOOPBACK: &str = "loopback";

/// What is lost differs between the directions, and is the same in each run.
const UP_SEED: u64 = 1;
const DOWN_SEED: u64 = 2;

/// Half a second of 50 Mbit/s.
const MAX_QUEUED: usize = 4_096;

/// One browser tries a handful of local addresses.
const MAX_CLIENTS: usize = 16;

/// The largest that UDP carries.
const MAX_DATAGRAM: usize = 65_535;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::{LossModel, RateProfile};
    use bridge_units::Bitrate;

    async fn pair() -> (UdpSocket, UdpSocket, UdpRelay) {
        let bridge = bind().await.expect("loopback has free ports");
        let client = bind().await.expect("loopback has free ports");
        let address = bridge.local_addr().expect("is bound");
        let relay = UdpRelay::start(address).await.expect("starts");
        client.connect(relay.address()).await.expect("loopback is reached");
        (client, bridge, relay)
    }

    #[tokio::test]
    async fn datagrams_go_both_ways_with_the_delay_of_each() {
        let (client, bridge, relay) = pair().await;
        let delay = Duration::from_millis(40);
        relay.set_up(LinkSettings::ideal().with_delay(delay));
        let begin = Instant::now();
        client.send(b"check").await.expect("is sent");
        let mut buffer = [0; 16];
        let (len, from) = bridge.recv_from(&mut buffer).await.expect("arrives");
        assert_eq!(&buffer[..len], b"check");
        assert_ne!(from, client.local_addr().expect("is bound"), "the relay is like a NAT");
        assert!(begin.elapsed() >= delay, "{:?}", begin.elapsed());
        bridge.send_to(b"answer", from).await.expect("is sent");
        let len = client.recv(&mut buffer).await.expect("arrives");
        assert_eq!(&buffer[..len], b"answer");
        assert_eq!((relay.up().delivered, relay.down().delivered), (1, 1));
    }

    #[tokio::test]
    async fn impairments_change_at_run_time() {
        let (client, bridge, relay) = pair().await;
        relay.set_up(LinkSettings::ideal().with_loss(LossModel::Random(1.0)));
        client.send(b"lost").await.expect("is sent");
        while relay.up().lost == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // 1,000 bytes with headers take 10 ms at 800 kbps: ten take 100 ms.
        let rate = RateProfile::constant(Bitrate::from_kbps(800));
        relay.set_up(LinkSettings::ideal().with_delay(Duration::ZERO).with_rate(rate));
        let begin = Instant::now();
        for number in 0..10 {
            client.send(&[number; 972]).await.expect("is sent");
        }
        let mut buffer = [0; 1_500];
        for number in 0..10 {
            let (_, _) = bridge.recv_from(&mut buffer).await.expect("arrives");
            assert_eq!(buffer[0], number, "in order");
        }
        assert!(begin.elapsed() >= Duration::from_millis(99), "{:?}", begin.elapsed());
    }
}
