//! Sealing and opening.

use super::note;
use crate::figures::Figures;
use crate::sampling::{nanoseconds, prepared_nanoseconds};
use anyhow::Result;
use bridge_srtp::{DtlsRole, KeyingMaterial, Profile, SrtpReceiver, SrtpSender};
use std::hint::black_box;

pub(super) fn run(figures: &mut Figures) -> Result<()> {
    for (name, profile) in
        [("gcm", Profile::AeadAes128Gcm), ("cm_sha1", Profile::Aes128CmHmacSha1_80)]
    {
        for size in [1_200, 160] {
            seal(figures, &format!("srtp_seal_{name}_{size}"), profile, size)?;
            open(figures, &format!("srtp_open_{name}_{size}"), profile, size)?;
        }
    }
    Ok(())
}

fn seal(figures: &mut Figures, name: &str, profile: Profile, size: usize) -> Result<()> {
    let mut sender = SrtpSender::new(&keying(profile, DtlsRole::Server)?);
    let mut packet = packet(size);
    let mut out = [0; 1_500];
    let mut number = 0_u16;
    let sampled = nanoseconds(|| {
        number = number.wrapping_add(1);
        packet[2..4].copy_from_slice(&number.to_be_bytes());
        let (header, payload) = packet.split_at(HEADER);
        let sealed = sender.seal_rtp(header, payload, &mut out);
        debug_assert!(sealed.is_ok());
        let _ = black_box(sealed);
    });
    note(figures, name, sampled);
    Ok(())
}

fn open(figures: &mut Figures, name: &str, profile: Profile, size: usize) -> Result<()> {
    let mut sender = SrtpSender::new(&keying(profile, DtlsRole::Server)?);
    let mut receiver = SrtpReceiver::new(&keying(profile, DtlsRole::Client)?);
    let mut packet = packet(size);
    let mut number = 0_u16;
    let mut refused = 0;
    let seal = || {
        (0..BATCH)
            .map(|_| {
                number = number.wrapping_add(1);
                packet[2..4].copy_from_slice(&number.to_be_bytes());
                let mut out = vec![0; size + 16];
                let (header, payload) = packet.split_at(HEADER);
                let len = sender.seal_rtp(header, payload, &mut out).unwrap_or_default();
                out.truncate(len);
                out
            })
            .collect::<Vec<_>>()
    };
    let sampled = prepared_nanoseconds(BATCH, seal, |sealed| {
        for packet in sealed {
            refused += usize::from(receiver.open_rtp(packet, HEADER).is_err());
        }
    });
    anyhow::ensure!(refused == 0, "{refused} packets did not open");
    note(figures, name, sampled);
    Ok(())
}

fn keying(profile: Profile, role: DtlsRole) -> Result<KeyingMaterial> {
    let block: Vec<u8> = (0_u8..=255).cycle().take(profile.exporter_len()).collect();
    Ok(KeyingMaterial::from_exporter(profile, &block, role)?)
}

fn packet(size: usize) -> Vec<u8> {
    let mut packet = vec![0x5a; size];
    packet[..HEADER].copy_from_slice(&[0x80, 100, 0, 0, 0, 0, 0, 1, 0, 0, 0, 7]);
    packet
}

const HEADER: usize = 12;
const BATCH: usize = 256;
