//! Dependency descriptors of one stream, one after the other, and those that the receiver gets.

use std::sync::Arc;

use bridge_rtp::codec::{
    DependencyDescriptor, DependencyRewrite, MAX_DECODE_TARGETS, MAX_DEPENDENCY_DESCRIPTOR_LEN,
    TemplateDependencyStructure,
};

use crate::bytes::{Bytes, records};

/// A shift of the template ids, then descriptors.
pub fn run(data: &[u8]) {
    let mut input = Bytes::new(data);
    let template_id_delta = input.u8();
    let mut sent: Option<Arc<TemplateDependencyStructure>> = None;
    let mut seen: Option<Arc<TemplateDependencyStructure>> = None;
    while !input.is_empty() {
        let element = input.chunk();
        let Ok(descriptor) = DependencyDescriptor::parse(element, sent.as_ref()) else { continue };
        if let Some(structure) = &descriptor.structure {
            read(structure);
        }
        let rewrite = DependencyRewrite {
            frame_number: descriptor.frame_number ^ 0x5555,
            template_id_delta,
            active_decode_targets: None,
        };
        let again = receive(&descriptor, element, &rewrite, seen.as_ref());
        sent.clone_from(&descriptor.structure);
        if let Some(again) = again {
            seen = again.structure;
        }
    }
}

/// Three layers in time: a structure and two frames with it.
pub fn seeds() -> Vec<Vec<u8>> {
    // From the AV1 RTP specification's example L1T3.
    let key = [
        0xc0, 0x00, 0x01, 0x80, 0x00, 0xc1, 0x48, 0x56, 0x7c, 0x30, 0x28, 0x10, 0x4f, 0xd0, 0x29,
        0x40,
    ];
    let rows: [&[u8]; 4] = [&key, &[0xc1, 0, 2], &[0x82, 0, 3], &[0xc3, 0, 4, 0x38, 0x12]];
    let mut with_shift = vec![5];
    with_shift.extend(records(rows));
    let mut own = vec![0];
    own.extend(records([&[0x80_u8, 0, 9][..], &[0x80, 0, 9, 0x80, 0, 0, 0x20, 0x10, 0, 0, 0]]));
    vec![with_shift, own]
}

fn read(structure: &TemplateDependencyStructure) {
    assert!(usize::from(structure.decode_target_count) <= MAX_DECODE_TARGETS);
    assert_eq!(structure.templates().len(), usize::from(structure.template_count()));
    for id in 0..64 {
        let _one = structure.template(id);
    }
    for target in 0..=structure.decode_target_count {
        let _all = (structure.layer(target), structure.chain_of(target));
        let _within = (structure.targets_within(target), structure.frame_rate(target));
        let _switch = structure.can_switch_without_keyframe(target, 0);
    }
    for spatial_id in 0..5 {
        let _size = structure.resolution(spatial_id);
    }
}

/// The receiver reads of each frame what the sender wrote.
fn receive(
    descriptor: &DependencyDescriptor,
    element: &[u8],
    rewrite: &DependencyRewrite,
    structure: Option<&Arc<TemplateDependencyStructure>>,
) -> Option<DependencyDescriptor> {
    let mut out = [0; MAX_DEPENDENCY_DESCRIPTOR_LEN];
    let len = rewrite.write(element, descriptor, &mut out)?;
    let again = DependencyDescriptor::parse(&out[..len], structure).ok();
    let again = again.filter(|again| again.structure.is_some() == descriptor.structure.is_some());
    assert!(again.is_some(), "{element:02x?} became {:02x?}", &out[..len]);
    let again = again?;
    assert_eq!(again.frame_number, rewrite.frame_number);
    assert_eq!(again.frame, descriptor.frame, "{element:02x?} became {:02x?}", &out[..len]);
    assert_eq!(again.is_keyframe, descriptor.is_keyframe);
    assert_eq!(again.is_start_of_frame, descriptor.is_start_of_frame);
    assert_eq!(again.active_decode_targets, descriptor.active_decode_targets);
    Some(again)
}
