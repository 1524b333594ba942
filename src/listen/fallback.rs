//! The few replies a listener writes itself, when it will not ask for an answer.

use crate::wire::{Extras, ReplyWriter, ede, parse, rcode};

/// An empty truncated reply: tells a client over its rate to come over TCP, where its address is
/// proved. `None` for what is no query.
pub(super) fn come_over_tcp(query: &[u8], reply: &mut [u8]) -> Option<usize> {
    let head = parse(query).ok()?.head();
    let mut writer = ReplyWriter::start(reply, head.udp_limit(), &head, rcode::NOERROR);
    writer.truncate();
    Some(writer.finish(&Extras::default()))
}

/// SERVFAIL for a query that found too many others waiting: the client goes to its next server at
/// once, where silence would make it ask again here.
pub(super) fn too_many_waiting(query: &[u8], reply: &mut [u8]) -> Option<usize> {
    let head = parse(query).ok()?.head();
    let writer = ReplyWriter::start(reply, head.udp_limit(), &head, rcode::SERVFAIL);
    let ede = Some((ede::OTHER, "Too many queries are waiting"));
    Some(writer.finish(&Extras { ede, ..Extras::default() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: &[u8] = b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01";

    #[test]
    fn fallback_replies_echo_the_question_and_say_why() {
        let mut reply = [0; 1232];
        for (write, flags) in
            [(come_over_tcp as fn(&[u8], &mut [u8]) -> Option<usize>, [0x83, 0x80]), (too_many_waiting, [0x81, 0x82])]
        {
            let length = write(QUERY, &mut reply).expect("a query");
            assert_eq!(&reply[..2], &QUERY[..2]);
            assert_eq!(reply[2..4], flags);
            assert_eq!(&reply[4..length], &QUERY[4..]);
            assert_eq!(write(b"rubbish that is no query", &mut reply), None);
        }
    }
}
