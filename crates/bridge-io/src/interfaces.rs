//! Which local addresses the bridge uses (ice4j: `HostCandidateHarvester`).

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One address of one interface, as the system lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The interface's name, such as `eth0`.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// Whether the interface is up.
    pub up: bool,
    /// Whether it is a loopback interface.
    pub loopback: bool,
}

/// The filters under `ice4j.harvest`.
#[derive(Clone, Debug, Default)]
pub struct AddressFilter {
    /// If not empty: only these interfaces.
    pub allowed_interfaces: Vec<String>,
    /// Never these interfaces; looked at only if nothing is allowed by name.
    pub blocked_interfaces: Vec<String>,
    /// If not empty: only these addresses.
    pub allowed_addresses: Vec<IpAddr>,
    /// Never these addresses; looked at only if nothing is allowed by address.
    pub blocked_addresses: Vec<IpAddr>,
    /// Whether IPv6 is used at all.
    pub ipv6: bool,
    /// Whether IPv6 link-local addresses are used.
    pub link_local: bool,
    /// Whether loopback addresses are used: our own key, for tests and the demo.
    pub loopback: bool,
}

impl AddressFilter {
    /// The addresses that pass, without repeats, in the system's order.
    pub fn select(&self, all: &[InterfaceAddress]) -> Vec<IpAddr> {
        let mut seen = HashSet::new();
        all.iter()
            .filter(|candidate| self.accepts(candidate))
            .map(|candidate| candidate.address)
            .filter(|address| seen.insert(*address))
            .collect()
    }

    fn accepts(&self, candidate: &InterfaceAddress) -> bool {
        let named = |names: &[String]| names.contains(&candidate.interface);
        let listed = |addresses: &[IpAddr]| addresses.contains(&candidate.address);
        let interface_ok = if self.allowed_interfaces.is_empty() {
            !named(&self.blocked_interfaces)
        } else {
            named(&self.allowed_interfaces)
        };
        let address_ok = if self.allowed_addresses.is_empty() {
            !listed(&self.blocked_addresses)
        } else {
            listed(&self.allowed_addresses)
        };
        candidate.up
            && interface_ok
            && address_ok
            && (self.loopback || !(candidate.loopback || candidate.address.is_loopback()))
            && match candidate.address {
                IpAddr::V4(_) => true,
                IpAddr::V6(address) => {
                    self.ipv6 && (self.link_local || !address.is_unicast_link_local())
                }
            }
    }
}

/// All addresses of all interfaces; empty if the system does not tell.
#[allow(unsafe_code)]
pub fn interface_addresses() -> Vec<InterfaceAddress> {
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    let mut found = Vec::new();
    // SAFETY: getifaddrs writes a list that stays valid until freeifaddrs, which is called once.
    // Each entry's pointers are null or valid for that time; sockaddr is read as its family says.
    unsafe {
        if libc::getifaddrs(&mut list) != 0 {
            return found;
        }
        let mut entry = list;
        while let Some(current) = entry.as_ref() {
            if let Some(address) = ip_address(current.ifa_addr) {
                found.push(InterfaceAddress {
                    interface: std::ffi::CStr::from_ptr(current.ifa_name)
                        .to_string_lossy()
                        .into_owned(),
                    address,
                    up: current.ifa_flags & libc::IFF_UP as u32 != 0,
                    loopback: current.ifa_flags & libc::IFF_LOOPBACK as u32 != 0,
                });
            }
            entry = current.ifa_next;
        }
        libc::freeifaddrs(list);
    }
    found
}

/// # Safety
/// `address` is null or points to a sockaddr of the size that its family has.
#[allow(unsafe_code)]
unsafe fn ip_address(address: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: as this function demands of its caller.
    unsafe {
        match i32::from(address.as_ref()?.sa_family) {
            libc::AF_INET => {
                let v4 = &*address.cast::<libc::sockaddr_in>();
                Some(IpAddr::V4(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr))))
            }
            libc::AF_INET6 => {
                let v6 = &*address.cast::<libc::sockaddr_in6>();
                Some(IpAddr::V6(Ipv6Addr::from(v6.sin6_addr.s6_addr)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(interface: &str, ip: &str) -> InterfaceAddress {
        let address: IpAddr = ip.parse().unwrap();
        InterfaceAddress {
            interface: interface.into(),
            address,
            up: interface != "down0",
            loopback: interface == "lo",
        }
    }

    fn machine() -> Vec<InterfaceAddress> {
        vec![
            address("lo", "127.0.0.1"),
            address("lo", "::1"),
            address("eth0", "192.0.2.1"),
            address("eth0", "2001:db8::1"),
            address("eth0", "fe80::1"),
            address("docker0", "172.17.0.1"),
            address("down0", "198.51.100.1"),
        ]
    }

    fn selected(change: impl FnOnce(&mut AddressFilter)) -> Vec<String> {
        let mut filter = AddressFilter { ipv6: true, ..AddressFilter::default() };
        change(&mut filter);
        filter.select(&machine()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn defaults_take_every_address_but_loopback_link_local_and_down() {
        assert_eq!(selected(|_| ()), ["192.0.2.1", "2001:db8::1", "172.17.0.1"]);
    }

    #[test]
    fn allowed_beats_blocked_for_interfaces_and_addresses() {
        assert_eq!(
            selected(|f| {
                f.allowed_interfaces = vec!["docker0".into()];
                f.blocked_interfaces = vec!["docker0".into()];
            }),
            ["172.17.0.1"]
        );
        assert_eq!(
            selected(|f| f.blocked_interfaces = vec!["docker0".into()]),
            ["192.0.2.1", "2001:db8::1"]
        );
        assert_eq!(
            selected(|f| {
                f.allowed_addresses = vec!["192.0.2.1".parse().unwrap()];
                f.blocked_addresses = vec!["192.0.2.1".parse().unwrap()];
            }),
            ["192.0.2.1"]
        );
    }

    #[test]
    fn the_switches_do_what_they_say() {
        assert_eq!(selected(|f| f.ipv6 = false), ["192.0.2.1", "172.17.0.1"]);
        assert!(selected(|f| f.link_local = true).contains(&"fe80::1".into()));
        assert_eq!(selected(|f| f.loopback = true)[..2], ["127.0.0.1", "::1"]);
    }

    #[test]
    fn this_machine_has_a_loopback_address() {
        let all = interface_addresses();
        assert!(all.iter().any(|a| a.loopback && a.up && a.address.is_loopback()), "{all:?}");
    }
}
