//! The operations on tasks, as Lua scripts that Redis runs atomically.
//!
//! A task is a hash with an expiry. Three kinds of sorted sets index the tasks. One has the leases of
//! running tasks, ordered by the end of the lease. The others limit the number of tasks, and are ordered by
//! expiry: the tasks of all callers with or without a principal, and the tasks of each owner. An expired
//! task stays in the sets until a script finds it there. The sets expire with the last of their tasks.
//!
//! The names of some keys are only known after the task has been read. They have the same hash tag as
//! the keys in `KEYS`, so they are on the same node of a Cluster.

use std::sync::LazyLock;

use redis::Script;

/// The common part of the scripts for one task. `KEYS`: the hash of the task; the set of leases; the
/// prefix of the names of the other sets. `ARGV[1]`: the id.
const OF_TASK: &str = r"
local task, leases, sets, id = KEYS[1], KEYS[2], KEYS[3], ARGV[1]

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Large numbers must not be written with an exponent.
local function text(number)
  return string.format('%.0f', number)
end

local function get(field)
  return redis.call('HGET', task, field)
end

local function number(field)
  return tonumber(get(field))
end

local function reply(outcome)
  local record = redis.call('HMGET', task, 'owner', 'state', 'version', 'token', 'leased', 'created',
    'updated', 'expires', 'open', 'data')
  return {outcome, unpack(record)}
end

local function sets_of(owner)
  if owner == '' then
    return {sets .. 'unknown'}
  end
  return {sets .. 'known', sets .. 'of:' .. owner}
end

-- A set is there as long as the last of its tasks.
local function keep(set, at)
  if redis.call('PEXPIREAT', set, at, 'NX') == 0 then
    redis.call('PEXPIREAT', set, at, 'GT')
  end
end

local function keep_until(at)
  redis.call('HSET', task, 'expires', at)
  for _, set in ipairs(sets_of(get('owner'))) do
    redis.call('ZADD', set, at, id)
    keep(set, at)
  end
end

local function lease_until(at)
  redis.call('HSET', task, 'leased', at)
  redis.call('ZADD', leases, at, id)
  keep(leases, get('expires'))
end

-- Tells why the holder of this token, or anybody without one, may not move the task on.
local function refusal(token)
  local state = get('state')
  if not state then
    return {'not found'}
  elseif state ~= 'running' then
    return reply('conflict')
  elseif token and token ~= '' and token ~= get('token') then
    return {'leased'}
  end
end

-- Comes last: a task whose time is over already is deleted by it.
local function reply_and_expire()
  local done = reply('ok')
  redis.call('PEXPIREAT', task, get('expires'))
  return done
end

local function open_questions(questions)
  local open = {}
  for question in string.gmatch(questions, '%d+') do
    if redis.call('HEXISTS', task, 'answer:' .. question) == 0 then
      table.insert(open, question)
    end
  end
  return table.concat(open, ',')
end

local function answered()
  local answers = {}
  for _, field in ipairs(redis.call('HKEYS', task)) do
    local question = string.match(field, '^answer:(%d+)$')
    if question then
      table.insert(answers, tonumber(question))
    end
  end
  table.sort(answers)
  return answers
end

local function change(at)
  redis.call('HINCRBY', task, 'version', 1)
  redis.call('HSET', task, 'updated', text(at))
end
";

/// `ARGV`: id, owner, call, data, lease, keep, the maximum size of a task, and the maximum number of tasks
/// in each of the owner's sets.
const CREATE: &str = r"
local owner, call, data = ARGV[2], ARGV[3], ARGV[4]
if get('state') then
  return reply('conflict')
end
local at = now()
if #call + #data > tonumber(ARGV[7]) then
  return {'full'}
end
for i, set in ipairs(sets_of(owner)) do
  redis.call('ZREMRANGEBYSCORE', set, '-inf', text(at))
  if redis.call('ZCARD', set) >= tonumber(ARGV[7 + i]) then
    return {'full'}
  end
end
redis.call('HSET', task, 'owner', owner, 'state', 'running', 'version', 1, 'token', 1, 'created', text(at),
  'updated', text(at), 'open', '', 'data', data, 'call', call, 'size', #call + #data)
keep_until(text(at + ARGV[6]))
lease_until(text(at + ARGV[5]))
return reply_and_expire()
";

/// `ARGV`: id, token or nothing, version, state, data, open questions, keep or nothing, the maximum size.
const ADVANCE: &str = r"
local state, data, keep_for = ARGV[4], ARGV[5], ARGV[7]
local refused = refusal(ARGV[2])
if refused then
  return refused
end
if get('version') ~= ARGV[3] then
  return reply('conflict')
end
local at = now()
local size = number('size')
local new_size = #data
if state == 'running' then
  new_size = size - redis.call('HSTRLEN', task, 'data') + #data
end
if new_size > size and new_size > tonumber(ARGV[8]) then
  return {'full'}
end
change(at)
redis.call('HSET', task, 'state', state, 'data', data, 'size', new_size)
if keep_for ~= '' then
  keep_until(text(at + keep_for))
end
if state == 'running' then
  redis.call('HSET', task, 'open', open_questions(ARGV[6]))
  keep(leases, get('expires'))
else
  redis.call('HSET', task, 'open', '', 'leased', 0)
  redis.call('HDEL', task, 'call', 'holder')
  for _, question in ipairs(answered()) do
    redis.call('HDEL', task, 'answer:' .. text(question))
  end
  redis.call('ZREM', leases, id)
end
return reply_and_expire()
";

/// `ARGV`: id, the maximum size, and alternating questions and answers.
const ANSWER: &str = r"
if not get('state') then
  return {'not found'}
end
local open = {}
for question in string.gmatch(get('open'), '%d+') do
  open[question] = true
end
local wanted, size = {}, number('size')
for i = 3, #ARGV, 2 do
  -- Of two answers to one question, the first counts.
  if open[ARGV[i]] then
    open[ARGV[i]] = nil
    table.insert(wanted, i)
    size = size + #ARGV[i + 1]
  end
end
if #wanted == 0 then
  return reply('ok')
end
if size > tonumber(ARGV[2]) then
  return {'full'}
end
for _, i in ipairs(wanted) do
  redis.call('HSET', task, 'answer:' .. ARGV[i], ARGV[i + 1])
end
redis.call('HSET', task, 'size', size, 'open', open_questions(get('open')))
change(now())
return reply('ok')
";

/// `ARGV`: id.
const ANSWERS: &str = r"
if not get('state') then
  return {'not found'}
end
local answers = {'ok'}
for _, question in ipairs(answered()) do
  table.insert(answers, text(question))
  table.insert(answers, get('answer:' .. text(question)))
end
return answers
";

/// `ARGV`: id, lease, and a mark that identifies the caller if it repeats the script.
const TAKE: &str = r"
local refused = refusal()
if refused then
  return refused
end
local at = now()
if number('leased') > at then
  if get('holder') ~= ARGV[3] then
    return {'leased'}
  end
else
  redis.call('HINCRBY', task, 'token', 1)
  redis.call('HSET', task, 'holder', ARGV[3])
  lease_until(text(at + ARGV[2]))
end
local taken = reply('ok')
table.insert(taken, get('call'))
return taken
";

/// `ARGV`: id, token, lease.
const RENEW: &str = r"
local refused = refusal(ARGV[2])
if refused then
  return refused
end
-- Nobody takes the lease a second time with the mark of who had it before.
redis.call('HDEL', task, 'holder')
lease_until(text(now() + ARGV[3]))
return reply('ok')
";

/// `ARGV`: id.
const DELETE: &str = r"
local owner = get('owner')
if owner then
  redis.call('DEL', task)
  redis.call('ZREM', leases, id)
  for _, set in ipairs(sets_of(owner)) do
    redis.call('ZREM', set, id)
  end
end
return {'ok'}
";

/// `KEYS`: the set of leases; the prefix of the names of tasks. `ARGV`: the maximum number.
const EXPIRED: &str = r"
local leases, tasks, most = KEYS[1], KEYS[2], tonumber(ARGV[1])
local time = redis.call('TIME')
local at = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local ids = {}
while #ids < most do
  local found = redis.call('ZRANGEBYSCORE', leases, '-inf', at, 'LIMIT', #ids, most - #ids)
  if #found == 0 then
    break
  end
  for _, id in ipairs(found) do
    if redis.call('EXISTS', tasks .. id) == 1 then
      table.insert(ids, id)
    else
      redis.call('ZREM', leases, id)
    end
  end
end
return ids
";

fn of_task(script: &str) -> Script {
    Script::new(&[OF_TASK, script].concat())
}

pub(super) static TO_CREATE: LazyLock<Script> = LazyLock::new(|| of_task(CREATE));
pub(super) static TO_ADVANCE: LazyLock<Script> = LazyLock::new(|| of_task(ADVANCE));
pub(super) static TO_ANSWER: LazyLock<Script> = LazyLock::new(|| of_task(ANSWER));
pub(super) static TO_LIST_ANSWERS: LazyLock<Script> = LazyLock::new(|| of_task(ANSWERS));
pub(super) static TO_TAKE: LazyLock<Script> = LazyLock::new(|| of_task(TAKE));
pub(super) static TO_RENEW: LazyLock<Script> = LazyLock::new(|| of_task(RENEW));
pub(super) static TO_DELETE: LazyLock<Script> = LazyLock::new(|| of_task(DELETE));
pub(super) static TO_LIST_EXPIRED: LazyLock<Script> = LazyLock::new(|| Script::new(EXPIRED));
