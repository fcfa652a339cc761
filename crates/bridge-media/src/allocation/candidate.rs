use bridge_units::{EndpointId, SourceId};

use crate::source::VideoType;
use crate::source_layers::LayerState;

/// A source of the conference, as allocation sees it.
///
/// A conference makes one list for all its receivers, in the order of speech: sources of the
/// endpoint that spoke last first. Receivers pass over their own.
#[derive(Clone, Copy, Debug)]
pub struct CandidateSource<'a> {
    /// Its id.
    pub id: SourceId,
    /// As signalled: what receivers call it.
    pub name: &'a str,
    /// The endpoint that sends it.
    pub owner: &'a EndpointId,
    /// What it shows.
    pub video_type: VideoType,
    /// What it sends now, from the lowest index to the highest; empty until something is known.
    pub layers: &'a [LayerState],
}
