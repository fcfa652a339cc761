//! STUN requests made by hand, right and wrong, independent of the code under test.

use aws_lc_rs::hmac as aws;

pub struct Request {
    bytes: Vec<u8>,
}

impl Request {
    pub fn new(id: u8) -> Self {
        let mut bytes = vec![0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42];
        bytes.extend_from_slice(&[id; 12]);
        Self { bytes }
    }

    /// As a controlled browser sends it.
    pub fn check(id: u8, username: &str) -> Self {
        Self::new(id)
            .attribute(0x0006, username.as_bytes())
            .attribute(0x0024, &0x6E00_01FF_u32.to_be_bytes())
            .attribute(0x8029, &1_u64.to_be_bytes())
    }

    pub fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        self.bytes.extend_from_slice(&kind.to_be_bytes());
        self.bytes.extend_from_slice(&(value.len() as u16).to_be_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.set_length(0);
        self
    }

    pub fn signed(mut self, password: &str) -> Self {
        self.set_length(24);
        let tag = hmac(password.as_bytes(), &[&self.bytes]);
        self.attribute(0x0008, &tag)
    }

    /// With FINGERPRINT.
    pub fn bytes(mut self) -> Vec<u8> {
        self.set_length(8);
        let mut crc = u32::MAX;
        for byte in &self.bytes {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
            }
        }
        self.attribute(0x8028, &(!crc ^ 0x5354_554E).to_be_bytes()).bytes
    }

    fn set_length(&mut self, more: usize) {
        let length = (self.bytes.len() - 20 + more) as u16;
        self.bytes[2..4].copy_from_slice(&length.to_be_bytes());
    }
}

pub fn hmac(key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
    let key = aws::Key::new(aws::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    aws::sign(&key, &payloads.concat()).as_ref().try_into().unwrap()
}
