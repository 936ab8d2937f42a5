//! Embeds by hashing: each word adds to one of the dimensions, and the vector is scaled to length one.

pub(super) const DIMENSIONS: i64 = 64;

pub(super) fn embed(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0_f32; 64];
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let hash = fnv(&word.to_lowercase());
        let sign = if hash & 64 == 0 { 1.0 } else { -1.0 };
        if let Some(slot) = usize::try_from(hash % 64).ok().and_then(|at| vector.get_mut(at)) {
            *slot += sign;
        }
    }
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length == 0.0 {
        // A text without words still has a direction.
        if let Some(first) = vector.first_mut() {
            *first = 1.0;
        }
        return vector;
    }
    vector.iter().map(|x| x / length).collect()
}

/// FNV-1a, because the standard hasher may change between versions and vectors are stored.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
