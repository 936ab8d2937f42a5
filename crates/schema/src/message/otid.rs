//! The ids by which clients match what was streamed with what is listed.

use uuid::Uuid;

use crate::MessageId;

/// The bits of an otid that count the wire messages of one stored message.
const INDEX_BITS: u128 = 0x7f;
/// The bits of a version 4 uuid below its variant.
const RANDOM_TAIL: u128 = (1 << 62) - 1;

/// The otid of the wire message at `index` of a stored message: its uuid with the lowest 7 bits replaced by the
/// index. Beyond 127 the index stays at 127.
#[must_use]
pub fn otid(id: MessageId, index: usize) -> String {
    let index = u128::try_from(index).map_or(INDEX_BITS, |index| index.min(INDEX_BITS));
    Uuid::from_u128(id.uuid().as_u128() & !INDEX_BITS | index).to_string()
}

/// The id of an approval request that is streamed beside content of the message `id`: its uuid minus one.
///
/// The version and variant bits stay as they are, so that the result is always a valid id.
#[must_use]
pub fn decremented(id: MessageId) -> MessageId {
    let bits = id.uuid().as_u128();
    let tail = (bits & RANDOM_TAIL).wrapping_sub(1) & RANDOM_TAIL;
    MessageId::from_uuid(Uuid::from_u128(bits & !RANDOM_TAIL | tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "message-3f2b8c1e-5a77-4d0e-9b1f-2c6d7e8f90ab";

    #[test]
    fn the_lowest_seven_bits_count_and_saturate() {
        let id = ID.parse().unwrap();
        assert_eq!(otid(id, 0), "3f2b8c1e-5a77-4d0e-9b1f-2c6d7e8f9080");
        assert_eq!(otid(id, 2), "3f2b8c1e-5a77-4d0e-9b1f-2c6d7e8f9082");
        assert_eq!(otid(id, 127), "3f2b8c1e-5a77-4d0e-9b1f-2c6d7e8f90ff");
        assert_eq!(otid(id, 128), otid(id, 127));
    }

    #[test]
    fn an_approval_request_has_the_id_before() {
        let id: MessageId = ID.parse().unwrap();
        assert_eq!(decremented(id).to_string(), "message-3f2b8c1e-5a77-4d0e-9b1f-2c6d7e8f90aa");
        let lowest: MessageId = "message-3f2b8c1e-5a77-4d0e-8000-000000000000".parse().unwrap();
        assert!(decremented(lowest).to_string().parse::<MessageId>().is_ok());
    }
}
