//! Packed commands, as they are sent: the number of parts, then each part after its length.

/// Packs one command.
pub(in crate::providers::redis) fn pack(parts: &[&[u8]]) -> Vec<u8> {
    let mut command = Vec::with_capacity(len(parts));
    append(&mut command, parts);
    command
}

/// Appends a packed command.
pub(in crate::providers::redis) fn append(commands: &mut Vec<u8>, parts: &[&[u8]]) {
    header(commands, b'*', parts.len());
    for part in parts {
        header(commands, b'$', part.len());
        commands.extend_from_slice(part);
        commands.extend_from_slice(b"\r\n");
    }
}

/// An upper bound on the length of the packed command, for headers of usual lengths.
pub(in crate::providers::redis) fn len(parts: &[&[u8]]) -> usize {
    parts.iter().map(|part| part.len() + 10).sum::<usize>() + 8
}

/// The length of the longest part in some packed commands.
pub(in crate::providers::redis) fn longest_part(mut commands: &[u8]) -> usize {
    let mut longest = 0;
    while let Some(end) = commands.iter().position(|&byte| byte == b'\n') {
        let (line, rest) = commands.split_at(end + 1);
        commands = rest;
        // This parses only headers that `append` wrote.
        let digits = line[1..].iter().take_while(|byte| byte.is_ascii_digit());
        let number = digits.fold(0, |sum: usize, digit| sum * 10 + usize::from(digit - b'0'));
        if line[0] == b'$' {
            longest = longest.max(number);
            commands = commands.get(number + 2..).unwrap_or_default();
        }
    }
    longest
}

fn header(commands: &mut Vec<u8>, sign: u8, number: usize) {
    commands.push(sign);
    commands.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    commands.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_packed_as_the_client_packs_it() {
        let long = "v".repeat(1000);
        for parts in [&["PING"][..], &["SET", "", "\r\n$5", &long], &["GET", "k"]] {
            let mut command = redis::cmd(parts[0]);
            for part in &parts[1..] {
                command.arg(part);
            }
            let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
            assert_eq!(pack(&parts), command.get_packed_command());
        }
    }

    #[test]
    fn the_longest_part_is_found_among_commands_whatever_the_others_hold() {
        let long = [b'$'; 1000];
        let commands = [pack(&[b"GET", b"\r\n$99999\r\nyz"]), pack(&[b"SET", b"", &long]), pack(&[b"PING"])];
        assert_eq!(longest_part(&commands.concat()), 1000);
        assert_eq!(longest_part(&commands[0]), 12);
        assert_eq!(longest_part(b""), 0);
    }
}
