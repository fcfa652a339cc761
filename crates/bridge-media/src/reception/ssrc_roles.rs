/// What the signalled video SSRCs of one endpoint carry.
///
/// Sorted, because the SSRCs are chosen by the peer: no choice makes a search slow.
#[derive(Debug, Default)]
pub(super) struct SsrcRoles {
    roles: Vec<(u32, SsrcRole)>,
}

/// What a video SSRC carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SsrcRole {
    /// Position among the endpoint's video sources.
    pub(super) source: usize,
    pub(super) encoding: u8,
    /// The media SSRC that this one repairs.
    pub(super) repairs: Option<u32>,
}

impl SsrcRoles {
    /// Answers whether the SSRC had no role yet; otherwise it keeps that one.
    pub(super) fn insert(&mut self, ssrc: u32, role: SsrcRole) -> bool {
        let position = self.roles.binary_search_by_key(&ssrc, |(known, _)| *known);
        if let Err(position) = position {
            self.roles.insert(position, (ssrc, role));
        }
        position.is_err()
    }

    pub(super) fn find(&self, ssrc: u32) -> Option<SsrcRole> {
        let position = self.roles.binary_search_by_key(&ssrc, |(known, _)| *known).ok()?;
        self.roles.get(position).map(|(_, role)| *role)
    }
}
