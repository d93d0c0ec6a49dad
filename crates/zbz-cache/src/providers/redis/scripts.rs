//! The scripts, all of which Redis 7.0 runs: what has to be judged and done in one step and is no
//! command of its own. Sent in full each time; the server keeps them compiled.

use super::command;

/// The values of keys, and the milliseconds that each has left.
pub(super) const READ: &str = "\
local answer = {redis.call('MGET', unpack(KEYS))}
for at = 1, #KEYS do answer[at + 1] = redis.call('PTTL', KEYS[at]) end
return answer";

/// Stores ARGV[1] for ARGV[2] milliseconds (none: for ever, 0: not at all). ARGV[3] is 1 if an
/// entry keeps the deadline it has; ARGV[4], if there, is what the key has to hold.
pub(super) const STORE: &str = "\
if ARGV[4] and redis.pcall('GET', KEYS[1]) ~= ARGV[4] then return 0 end
if ARGV[3] == '1' and redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('SET', KEYS[1], ARGV[1], 'KEEPTTL')
elseif ARGV[2] == '0' then
  redis.call('UNLINK', KEYS[1])
elseif ARGV[2] == '' then
  redis.call('SET', KEYS[1], ARGV[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return 1";

/// Takes the deadline away; 1 if the key is there, with or without one.
pub(super) const PERSIST: &str = "\
redis.call('PERSIST', KEYS[1])
return redis.call('EXISTS', KEYS[1])";

/// The value, the milliseconds it had left, and gone it is.
pub(super) const TAKE: &str = "\
local held = redis.pcall('GET', KEYS[1])
if type(held) ~= 'string' then return false end
local left = redis.call('PTTL', KEYS[1])
redis.call('UNLINK', KEYS[1])
return {held, left}";

/// Adds ARGV[1]; a new counter lives ARGV[2] milliseconds (none: for ever, 0: not at all). The sum
/// is answered as a text: a number of Lua's would lose its last digits.
pub(super) const ADD: &str = "\
local new = redis.call('EXISTS', KEYS[1]) == 0
redis.call('INCRBY', KEYS[1], ARGV[1])
local sum = redis.call('GET', KEYS[1])
if new and ARGV[2] == '0' then
  redis.call('UNLINK', KEYS[1])
elseif new and ARGV[2] ~= '' then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return sum";

/// A script on one key, packed, with its arguments.
pub(super) fn eval(script: &str, key: &[u8], arguments: &[&[u8]]) -> Vec<u8> {
    command::pack(&[&[b"EVAL", script.as_bytes(), b"1", key], arguments].concat())
}
