//! Local candidates: which addresses the bridge offers and how they are described.
//!
//! JVB: `IceTransport.describe` and ice4j's `MappingCandidateHarvester`. The sockets themselves are
//! bound by the driver; this module only describes them.

use crate::random::{Random, hex_id};
use bridge_transport::CandidateKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What is advertised as local candidates of every endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalAddresses {
    hosts: Vec<SocketAddr>,
    mappings: Vec<AddressMapping>,
    advertise_private: bool,
}

/// A public address under which a local one can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressMapping {
    /// The local address (JVB: face).
    pub local: IpAddr,
    /// What the outside sees (JVB: mask).
    pub public: IpAddr,
    /// Without ports the mapping is for every port, which it keeps.
    pub ports: Option<MappedPorts>,
}

/// Restricts a mapping to one local port and replaces that port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappedPorts {
    /// The only local port meant.
    pub local: u16,
    /// The port that the outside sees.
    pub public: u16,
}

/// One candidate of the bridge, component 1, UDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalCandidate {
    /// Host, or server-reflexive for a mapped address.
    pub kind: CandidateKind,
    /// Where peers send.
    pub address: SocketAddr,
    /// The base of a server-reflexive candidate, or `0.0.0.0:9` if that is not to be revealed.
    pub related: Option<SocketAddr>,
    /// RFC 8445 section 5.1.2.1.
    pub priority: u32,
    /// RFC 8445 section 5.1.1.3, a counter from 1.
    pub foundation: u32,
    /// Opaque lower-case hex text, different for each candidate.
    pub id: String,
}

impl LocalAddresses {
    /// `hosts` are the bound addresses in order of preference. Unspecified addresses, port 0,
    /// duplicates and all beyond [`MAX_HOST_CANDIDATES`] cannot be advertised and are left out.
    ///
    /// `advertise_private` is `videobridge.ice.advertise-private-candidates`.
    pub fn new(
        hosts: impl IntoIterator<Item = SocketAddr>,
        mappings: Vec<AddressMapping>,
        advertise_private: bool,
    ) -> Self {
        let mut usable: Vec<SocketAddr> = Vec::new();
        for host in hosts {
            let fits = !host.ip().is_unspecified() && host.port() != 0 && !usable.contains(&host);
            if fits && usable.len() < MAX_HOST_CANDIDATES {
                usable.push(host);
            }
        }
        Self { hosts: usable, mappings, advertise_private }
    }

    /// The candidates for one endpoint, highest priority first.
    ///
    /// `private_wanted` is whether the endpoint has the capability `private-address-connectivity`.
    pub fn candidates(&self, private_wanted: bool, random: &mut Random) -> Vec<LocalCandidate> {
        let show_private = self.advertise_private || private_wanted;
        let mut foundations = Foundations::default();
        let mut list = Vec::with_capacity(self.hosts.len() * 2);
        for (position, &address) in self.hosts.iter().enumerate() {
            let foundation = foundations.number(CandidateKind::Host, address.ip());
            list.push(LocalCandidate {
                kind: CandidateKind::Host,
                address,
                related: None,
                priority: priority(CandidateKind::Host, position),
                foundation,
                id: hex_id(random),
            });
        }
        for (position, (base, address)) in self.mapped().into_iter().enumerate() {
            let foundation = foundations.number(CandidateKind::ServerReflexive, base.ip());
            // Regardless of the endpoint's capability, as in JVB.
            let hide_base = !self.advertise_private && is_private(base.ip());
            list.push(LocalCandidate {
                kind: CandidateKind::ServerReflexive,
                address,
                related: Some(if hide_base { HIDDEN_BASE } else { base }),
                priority: priority(CandidateKind::ServerReflexive, position),
                foundation,
                id: hex_id(random),
            });
        }
        list.retain(|candidate| show_private || !is_private(candidate.address.ip()));
        list
    }

    /// The bound addresses that can be advertised.
    pub fn hosts(&self) -> &[SocketAddr] {
        &self.hosts
    }

    /// Every mapped address with its base, without duplicates.
    fn mapped(&self) -> Vec<(SocketAddr, SocketAddr)> {
        let mut mapped = Vec::new();
        for &base in &self.hosts {
            for mapping in self.mappings.iter().filter(|mapping| mapping.local == base.ip()) {
                let port = match mapping.ports {
                    None => base.port(),
                    Some(ports) if ports.local == base.port() => ports.public,
                    Some(_) => continue,
                };
                let pair = (base, SocketAddr::new(mapping.public, port));
                let useful = pair.0 != pair.1 && port != 0 && !mapped.contains(&pair);
                if useful && mapped.len() < MAX_MAPPED_CANDIDATES {
                    mapped.push(pair);
                }
            }
        }
        mapped
    }
}

/// RFC 1918, site-local and unique-local addresses; CGNAT and link-local count as public here.
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private(),
        IpAddr::V6(v6) => is_site_local(v6) || v6.is_unique_local(),
    }
}

/// Hands out the numbers of RFC 8445 section 5.1.1.3: equal for equal type and base address.
#[derive(Default)]
struct Foundations(Vec<(CandidateKind, IpAddr)>);

impl Foundations {
    fn number(&mut self, kind: CandidateKind, base: IpAddr) -> u32 {
        let known = self.0.iter().position(|&entry| entry == (kind, base));
        let index = known.unwrap_or_else(|| {
            self.0.push((kind, base));
            self.0.len() - 1
        });
        u32::try_from(index + 1).unwrap_or(u32::MAX)
    }
}

/// RFC 8445 section 5.1.2.1 for component 1.
///
/// Differs from JVB: the local preference is 65535 for the first address only and goes down from
/// there, since the RFC wants it unique; JVB gives the first two addresses the same.
fn priority(kind: CandidateKind, position: usize) -> u32 {
    let type_preference: u32 = match kind {
        CandidateKind::Host => 126,
        CandidateKind::PeerReflexive => 110,
        CandidateKind::ServerReflexive => 100,
        CandidateKind::Relayed => 0,
    };
    let local_preference = u32::from(u16::MAX - u16::try_from(position).unwrap_or(u16::MAX));
    (type_preference << 24) + (local_preference << 8) + 255
}

/// `fec0::/10`, deprecated by RFC 3879 but still private.
fn is_site_local(address: Ipv6Addr) -> bool {
    address.segments()[0] & 0xffc0 == 0xfec0
}

/// Host candidates that are described at most: more would only slow down the peers' checks.
pub const MAX_HOST_CANDIDATES: usize = 32;

/// Mapped candidates that are described at most, for the same reason.
pub const MAX_MAPPED_CANDIDATES: usize = 32;

/// Stands for a private base that must not be revealed (RFC 8839 section 5.1 allows it).
const HIDDEN_BASE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 9);

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn mapping(local: &str, public: &str, ports: Option<(u16, u16)>) -> AddressMapping {
        AddressMapping {
            local: local.parse().unwrap(),
            public: public.parse().unwrap(),
            ports: ports.map(|(local, public)| MappedPorts { local, public }),
        }
    }

    fn describe(
        hosts: &[&str],
        mappings: Vec<AddressMapping>,
        advertise_private: bool,
        private_wanted: bool,
    ) -> Vec<LocalCandidate> {
        let hosts = hosts.iter().map(|text| address(text));
        LocalAddresses::new(hosts, mappings, advertise_private)
            .candidates(private_wanted, &mut crate::random::counting(1))
    }

    fn shape(list: &[LocalCandidate]) -> Vec<(CandidateKind, String, Option<String>)> {
        list.iter()
            .map(|c| (c.kind, c.address.to_string(), c.related.map(|r| r.to_string())))
            .collect()
    }

    #[test]
    fn single_host_and_its_mapping_have_the_known_priorities() {
        let mappings = vec![mapping("10.0.0.5", "203.0.113.10", None)];
        let list = describe(&["10.0.0.5:10000"], mappings, true, false);
        let priorities: Vec<u32> = list.iter().map(|c| c.priority).collect();
        assert_eq!(priorities, [2_130_706_431, 1_694_498_815]);
    }

    #[test]
    fn a_mapping_without_ports_keeps_the_port_and_names_its_base() {
        let mappings = vec![mapping("10.0.0.5", "203.0.113.10", None)];
        let list = describe(&["10.0.0.5:10000"], mappings, true, false);
        let base = Some("10.0.0.5:10000".to_owned());
        assert_eq!(
            shape(&list)[1],
            (CandidateKind::ServerReflexive, "203.0.113.10:10000".to_owned(), base)
        );
    }

    #[test]
    fn a_mapping_with_ports_matches_that_port_only() {
        let mappings = vec![mapping("10.0.0.5", "203.0.113.10", Some((10_000, 443)))];
        let list = describe(&["10.0.0.5:10000", "10.0.0.5:10001"], mappings, true, false);
        let mapped: Vec<_> =
            list.iter().filter(|c| c.related.is_some()).map(|c| c.address.to_string()).collect();
        assert_eq!(mapped, ["203.0.113.10:443"]);
    }

    #[test]
    fn two_mappings_of_one_address_give_two_candidates() {
        let mappings = vec![
            mapping("10.0.0.5", "203.0.113.10", None),
            mapping("10.0.0.5", "198.51.100.7", None),
            mapping("10.0.0.5", "203.0.113.10", None),
            mapping("10.9.9.9", "192.0.2.1", None),
        ];
        let list = describe(&["10.0.0.5:10000"], mappings, true, false);
        assert_eq!(list.len(), 3);
        assert_eq!(list[1].foundation, list[2].foundation);
        assert_ne!(list[1].priority, list[2].priority);
    }

    #[test]
    fn hidden_private_hosts_leave_only_the_mapping_with_a_hidden_base() {
        let mappings = vec![mapping("10.0.0.5", "203.0.113.10", None)];
        let list = describe(&["10.0.0.5:10000"], mappings.clone(), false, false);
        let hidden = Some("0.0.0.0:9".to_owned());
        let public =
            (CandidateKind::ServerReflexive, "203.0.113.10:10000".to_owned(), hidden.clone());
        assert_eq!(shape(&list), std::slice::from_ref(&public));

        let wanted = describe(&["10.0.0.5:10000"], mappings, false, true);
        let host = (CandidateKind::Host, "10.0.0.5:10000".to_owned(), None);
        assert_eq!(shape(&wanted), [host, public]);
    }

    #[test]
    fn private_means_rfc_1918_site_local_and_unique_local() {
        let cases = [
            ("10.1.2.3", true),
            ("172.31.0.1", true),
            ("172.32.0.1", false),
            ("192.168.0.1", true),
            ("100.64.0.1", false),
            ("169.254.0.1", false),
            ("fec0::1", true),
            ("fd00::1", true),
            ("fe80::1", false),
            ("2001:db8::1", false),
        ];
        for (text, expected) in cases {
            assert_eq!(is_private(text.parse().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn every_candidate_has_its_own_id_and_priorities_fall() {
        let hosts = ["192.0.2.1:10000", "[2001:db8::1]:10000", "192.0.2.2:10000"];
        let mappings = vec![mapping("192.0.2.1", "203.0.113.10", None)];
        let list = describe(&hosts, mappings, true, false);
        let ids: HashSet<_> = list.iter().map(|c| c.id.clone()).collect();
        assert_eq!(ids.len(), 4);
        assert!(list.windows(2).all(|pair| pair[0].priority > pair[1].priority));
        let hex =
            |id: &String| id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        assert!(ids.iter().all(hex));
    }

    #[test]
    fn addresses_that_nobody_can_send_to_are_left_out() {
        let hosts = ["0.0.0.0:10000", "[::]:10000", "192.0.2.1:0", "192.0.2.1:1", "192.0.2.1:1"];
        assert_eq!(describe(&hosts, Vec::new(), true, false).len(), 1);
        let many = (1..=100).map(|port| SocketAddr::from(([192, 0, 2, 1], port)));
        let addresses = LocalAddresses::new(many, Vec::new(), true);
        assert_eq!(addresses.hosts().len(), MAX_HOST_CANDIDATES);
    }
}
