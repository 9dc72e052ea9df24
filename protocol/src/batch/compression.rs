//! How the records of a batch are compressed, each codec in the framing that Kafka's clients use.
//!
//! Every codec is a feature of this crate. One that was left out is still known by name, and
//! compressed batches of it can be stored and sent; they just can't be opened here.
//!
//! Whoever decompresses says how large the result may be. No length in the compressed bytes is
//! trusted beyond that.

#[cfg(feature = "snappy")]
mod xerial;

#[cfg(any(feature = "gzip", feature = "lz4"))]
use std::io::Write;
#[cfg(any(feature = "gzip", feature = "lz4", feature = "zstd"))]
use std::io::{self, Read};

/// What the records of a batch are compressed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Not at all.
    #[default]
    None,
    /// RFC 1952. Levels 0 to 9.
    Gzip,
    /// Blocks of raw snappy, one after another, as the xerial library frames them. No levels.
    Snappy,
    /// The LZ4 frame format. No levels.
    Lz4,
    /// RFC 8878. Levels 1 to 22.
    Zstd,
}

/// A number that stands for no codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("codec {0}, which does not exist: none, gzip, snappy, lz4 and zstd are 0 to 4")]
pub struct UnknownCodec(pub u8);

/// A name that stands for no codec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown codec {0:?}: one of none, gzip, snappy, lz4, zstd")]
pub struct UnknownCodecName(pub String);

/// Why records could not be compressed or decompressed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompressionError {
    /// The crate was built without the codec.
    #[error("{0} is not compiled in: build duramen-protocol with the feature \"{0}\"")]
    NotCompiled(Codec),
    /// The result would be larger than asked for.
    #[error("more than {max_bytes} bytes when decompressed")]
    TooLarge {
        /// The bound that the caller gave.
        max_bytes: usize,
    },
    /// The bytes are not what the codec makes.
    #[error("{codec}: {reason}")]
    Codec {
        /// Which codec.
        codec: Codec,
        /// In its library's words.
        reason: String,
    },
}

impl Codec {
    /// All of them, in the order of their numbers.
    pub const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    /// The number that stands for the codec in a batch's attributes.
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The codec of a number.
    ///
    /// # Errors
    /// For a number over 4.
    pub fn from_id(id: u8) -> Result<Codec, UnknownCodec> {
        Codec::ALL.get(usize::from(id)).copied().ok_or(UnknownCodec(id))
    }

    /// The name, as `compression.type` and the command line have it.
    pub const fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }
}

impl std::fmt::Display for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl std::str::FromStr for Codec {
    type Err = UnknownCodecName;

    fn from_str(name: &str) -> Result<Codec, UnknownCodecName> {
        Codec::ALL
            .into_iter()
            .find(|codec| codec.name() == name)
            .ok_or_else(|| UnknownCodecName(name.into()))
    }
}

/// Compresses `bytes`, as hard as `level` says on the codec's own scale, or its library by
/// default; a level out of range is the nearest one in it, and codecs without levels ignore it.
///
/// # Errors
/// [`CompressionError::NotCompiled`], or what the library says.
pub fn compress(
    codec: Codec,
    level: Option<i32>,
    bytes: &[u8],
) -> Result<Vec<u8>, CompressionError> {
    let _ = level;
    match codec {
        Codec::None => Ok(bytes.to_vec()),
        #[cfg(feature = "gzip")]
        Codec::Gzip => {
            let level = level
                .map_or_else(Default::default, |l| flate2::Compression::new(l.clamp(0, 9) as u32));
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).and_then(|()| encoder.finish()).map_err(|e| failed(codec, e))
        }
        #[cfg(feature = "snappy")]
        Codec::Snappy => xerial::compress(bytes),
        #[cfg(feature = "lz4")]
        Codec::Lz4 => {
            // Kafka's own reader takes independent blocks only.
            let frame = lz4_flex::frame::FrameInfo::new()
                .block_mode(lz4_flex::frame::BlockMode::Independent)
                .block_size(lz4_flex::frame::BlockSize::Max64KB);
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(frame, Vec::new());
            encoder.write_all(bytes).map_err(|e| failed(codec, e))?;
            encoder.finish().map_err(|e| failed(codec, e))
        }
        #[cfg(feature = "zstd")]
        Codec::Zstd => {
            let level = level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL);
            zstd::bulk::compress(bytes, level.clamp(1, 22)).map_err(|e| failed(codec, e))
        }
        #[allow(unreachable_patterns, reason = "reached when a codec is left out")]
        left_out => Err(CompressionError::NotCompiled(left_out)),
    }
}

/// Decompresses `bytes` to at most `max_bytes`.
///
/// # Errors
/// [`CompressionError::NotCompiled`], [`CompressionError::TooLarge`], or what the library says of
/// bytes that are damaged.
pub fn decompress(
    codec: Codec,
    bytes: &[u8],
    max_bytes: usize,
) -> Result<Vec<u8>, CompressionError> {
    match codec {
        Codec::None if bytes.len() > max_bytes => Err(CompressionError::TooLarge { max_bytes }),
        Codec::None => Ok(bytes.to_vec()),
        #[cfg(feature = "gzip")]
        Codec::Gzip => read_within(codec, flate2::read::MultiGzDecoder::new(bytes), max_bytes),
        #[cfg(feature = "snappy")]
        Codec::Snappy => xerial::decompress(bytes, max_bytes),
        #[cfg(feature = "lz4")]
        Codec::Lz4 => read_within(codec, lz4_flex::frame::FrameDecoder::new(bytes), max_bytes),
        #[cfg(feature = "zstd")]
        Codec::Zstd => {
            let decoder =
                zstd::stream::read::Decoder::with_buffer(bytes).map_err(|e| failed(codec, e))?;
            read_within(codec, decoder, max_bytes)
        }
        #[allow(unreachable_patterns, reason = "reached when a codec is left out")]
        left_out => Err(CompressionError::NotCompiled(left_out)),
    }
}

#[cfg(any(feature = "gzip", feature = "lz4", feature = "zstd"))]
fn read_within(
    codec: Codec,
    decoder: impl Read,
    max_bytes: usize,
) -> Result<Vec<u8>, CompressionError> {
    let mut out = Vec::new();
    // One byte more than allowed tells "exactly full" from "goes on".
    let mut bounded = decoder.take(max_bytes as u64 + 1);
    bounded.read_to_end(&mut out).map_err(|e| failed(codec, e))?;
    if out.len() > max_bytes {
        return Err(CompressionError::TooLarge { max_bytes });
    }
    Ok(out)
}

#[cfg(any(feature = "gzip", feature = "lz4", feature = "zstd"))]
fn failed(codec: Codec, error: impl Into<io::Error>) -> CompressionError {
    CompressionError::Codec { codec, reason: error.into().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        (0..200_000u32).flat_map(|i| (i / 7).to_le_bytes()).collect()
    }

    #[test]
    fn every_codec_round_trips_within_its_bound() {
        for codec in Codec::ALL {
            for bytes in [&sample()[..], b"", b"a"] {
                let compressed = compress(codec, None, bytes).unwrap();
                assert_eq!(decompress(codec, &compressed, bytes.len()).unwrap(), bytes, "{codec}");
            }
        }
    }

    #[test]
    fn the_bound_is_kept() {
        let bytes = vec![0; 1 << 20];
        for codec in Codec::ALL {
            let compressed = compress(codec, None, &bytes).unwrap();
            let result = decompress(codec, &compressed, bytes.len() - 1);
            assert_eq!(
                result,
                Err(CompressionError::TooLarge { max_bytes: bytes.len() - 1 }),
                "{codec}"
            );
        }
    }

    #[test]
    fn cut_or_damaged_bytes_are_an_error_or_other_bytes_but_no_panic() {
        let bytes = sample();
        let mut random = fastrand::Rng::with_seed(7);
        for codec in Codec::ALL {
            let compressed = compress(codec, None, &bytes).unwrap();
            for _ in 0..100 {
                let mut damaged = compressed.clone();
                damaged.truncate(random.usize(..=compressed.len()));
                for _ in 0..random.usize(..4) {
                    if let Some(byte) = random.choice(&mut damaged) {
                        *byte ^= 1 << random.u8(..8);
                    }
                }
                if let Ok(out) = decompress(codec, &damaged, bytes.len()) {
                    assert!(out.len() <= bytes.len());
                }
            }
        }
    }

    #[test]
    fn levels_out_of_range_are_clamped() {
        for codec in Codec::ALL {
            for level in [i32::MIN, -1, 0, 9, 19, i32::MAX] {
                let compressed = compress(codec, Some(level), b"abcabcabc").unwrap();
                assert_eq!(decompress(codec, &compressed, 9).unwrap(), b"abcabcabc");
            }
        }
    }

    #[test]
    fn names_and_numbers() {
        for codec in Codec::ALL {
            assert_eq!(codec.name().parse(), Ok(codec));
            assert_eq!(Codec::from_id(codec.id()), Ok(codec));
        }
        assert_eq!(Codec::from_id(5), Err(UnknownCodec(5)));
        assert!("brotli".parse::<Codec>().is_err());
    }
}
