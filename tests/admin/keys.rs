//! Key pairs for the tests, new in each process.

use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair,
};
use base64::prelude::{BASE64_STANDARD, Engine};

/// A key pair as two PEM texts.
pub(crate) struct Keys {
    pub(crate) private: String,
    pub(crate) public: String,
}

/// An RSA key pair of 2,048 bits.
pub(crate) static RSA: LazyLock<Keys> = LazyLock::new(|| {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    Keys::new(private.as_ref(), pair.public_key())
});

/// An EC key pair on P-256.
pub(crate) static EC: LazyLock<Keys> = LazyLock::new(|| {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    Keys::new(pair.to_pkcs8v1().unwrap().as_ref(), pair.public_key())
});

/// An Ed25519 key pair.
pub(crate) static ED: LazyLock<Keys> = LazyLock::new(|| {
    let pair = Ed25519KeyPair::generate().unwrap();
    Keys::new(pair.to_pkcs8v1().unwrap().as_ref(), pair.public_key())
});

impl Keys {
    fn new(private: &[u8], public: &impl AsDer<PublicKeyX509Der<'static>>) -> Self {
        Self {
            private: pem("PRIVATE KEY", private),
            public: pem("PUBLIC KEY", public.as_der().unwrap().as_ref()),
        }
    }
}

/// RFC 7468: base64 in lines of 64 characters.
fn pem(label: &str, der: &[u8]) -> String {
    let base64 = BASE64_STANDARD.encode(der);
    let lines: Vec<&str> =
        base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
