//! The scripts, for steps that have to be atomic and are not a single command. Redis 7.0 runs all of them.
//! They are sent in full each time; the server keeps them compiled.
//!
//! - **Rights do not depend on data**: each script checks every right that it may need, so that a missing
//!   right is reported at the first use and not when the data happen to need it. Scripts that write check
//!   first, so that nothing is half done. The one that reads uses all its rights each time, and checks
//!   only after a failure, to name the missing right.
//! - **Flags**: scripts that write declare it in their first line, so that a server that takes no writes
//!   always refuses them. The one that reads declares that it does not write, so that a replica without
//!   its primary refuses it with the error of a `GET`.

use crate::providers::redis::connection::command;

/// Ends a script with an error that names the first of these commands that the user may not run, or that
/// the server does not have.
macro_rules! named {
    ($needs:expr) => {
        concat!(
            "for _, need in ipairs({",
            $needs,
            "}) do\n  local is_known, may = pcall(redis.acl_check_cmd, unpack(need))\n",
            "  if not is_known then\n",
            "    return redis.error_reply(\"ERR unknown command '\" .. need[1] .. \"'\")\n",
            "  end\n  if not may then\n",
            "    return redis.error_reply(\"NOPERM no permissions to run the '\" .. need[1] .. \"' command\")\n",
            "  end\nend\n",
        )
    };
}

/// A script with these flags that needs these commands.
macro_rules! script {
    ($flags:literal, $needs:expr, $body:expr) => {
        concat!($flags, named!($needs), $body)
    };
}

/// The commands that a conditional write needs in all its steps, including the check for a known absence.
macro_rules! of_conditions {
    () => {
        "{'get', KEYS[1]}, {'exists', KEYS[1]}, {'set', KEYS[1], ''}, {'unlink', KEYS[1]}, \
         {'mget', KEYS[1]}, {'pttl', KEYS[1]}, {'eval_ro', '', '1', KEYS[1]}"
    };
}

/// Ends a script with 0 unless the condition in ARGV[1] holds: 'any', 'absent', 'present', or 'held'
/// (the key's value has to be ARGV[2]).
macro_rules! judged {
    ($body:expr) => {
        concat!(
            "local there = redis.call('EXISTS', KEYS[1]) == 1\n",
            "if ARGV[1] == 'absent' and there or ARGV[1] == 'present' and not there then return 0 end\n",
            "if ARGV[1] == 'held' and redis.pcall('GET', KEYS[1]) ~= ARGV[2] then return 0 end\n",
            $body
        )
    };
}

/// The values of keys, and the remaining milliseconds of each.
pub(in crate::providers::redis) const READ: &str = concat!(
    "#!lua flags=no-writes\n",
    "local answer = {redis.pcall('MGET', unpack(KEYS))}
local failed = answer[1].err and answer[1]
for at = 1, failed and 0 or #KEYS do
  answer[at + 1] = redis.pcall('PTTL', KEYS[at])
  if type(answer[at + 1]) == 'table' then failed = answer[at + 1] break end
end
if not failed then return answer end
",
    named!("{'mget', KEYS[1]}, {'pttl', KEYS[1]}"),
    "return failed"
);

/// The value of a key, if it is a string; read before a conditional store.
pub(in crate::providers::redis) const HELD: &str = script!(
    "#!lua flags=allow-oom\n",
    of_conditions!(),
    "local held = redis.pcall('GET', KEYS[1])
return type(held) == 'string' and held"
);

/// Stores ARGV[3] under a condition, for ARGV[4] milliseconds (none: for ever, 0: not at all).
/// ARGV[5] is 1 if an entry keeps the deadline it has.
pub(in crate::providers::redis) const STORE: &str = script!(
    "#!lua\n",
    of_conditions!(),
    judged!(
        "if ARGV[5] == '1' and there then
  redis.call('SET', KEYS[1], ARGV[3], 'KEEPTTL')
elseif ARGV[4] == '' then
  redis.call('SET', KEYS[1], ARGV[3])
elseif ARGV[4] ~= '0' then
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
end
return 1"
    )
);

/// Removes under a condition.
pub(in crate::providers::redis) const REMOVE: &str = script!(
    "#!lua flags=allow-oom\n",
    of_conditions!(),
    judged!(
        "redis.call('UNLINK', KEYS[1])
return 1"
    )
);

/// Removes the deadline; 1 if the key exists, with or without a deadline.
pub(in crate::providers::redis) const PERSIST: &str = script!(
    "#!lua flags=allow-oom\n",
    "{'persist', KEYS[1]}, {'exists', KEYS[1]}",
    "redis.call('PERSIST', KEYS[1])
return redis.call('EXISTS', KEYS[1])"
);

/// Removes the key; returns its value and its remaining milliseconds.
pub(in crate::providers::redis) const TAKE: &str = script!(
    "#!lua flags=allow-oom\n",
    "{'get', KEYS[1]}, {'pttl', KEYS[1]}, {'unlink', KEYS[1]}",
    "local held = redis.pcall('GET', KEYS[1])
if type(held) ~= 'string' then return false end
local left = redis.call('PTTL', KEYS[1])
redis.call('UNLINK', KEYS[1])
return {held, left}"
);

/// Adds ARGV[1]; a new counter lives ARGV[2] milliseconds (none: for ever, 0: not at all). Returns the sum
/// as a text: a Lua number would lose its last digits.
pub(in crate::providers::redis) const ADD: &str = script!(
    "#!lua\n",
    "{'exists', KEYS[1]}, {'incrby', KEYS[1], '1'}, {'get', KEYS[1]}, {'unlink', KEYS[1]}, \
     {'pexpire', KEYS[1], '1'}",
    "local new = redis.call('EXISTS', KEYS[1]) == 0
redis.call('INCRBY', KEYS[1], ARGV[1])
local sum = redis.call('GET', KEYS[1])
if new and ARGV[2] == '0' then
  redis.call('UNLINK', KEYS[1])
elseif new and ARGV[2] ~= '' then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return sum"
);

/// A script on one key, packed, with its arguments.
pub(in crate::providers::redis) fn eval(script: &str, key: &[u8], arguments: &[&[u8]]) -> Vec<u8> {
    command::pack(&[&[b"EVAL", script.as_bytes(), b"1", key], arguments].concat())
}
