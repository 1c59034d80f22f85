-- For wrk: 64 KB from a random place of a file. Arguments: the file's bytes.
local length = 65536
local last

function init(args)
  math.randomseed(os.time())
  last = tonumber(args[1]) - length
end

function request()
  local first = math.random(0, last)
  return wrk.format("GET", nil, { Range = "bytes=" .. first .. "-" .. first + length - 1 })
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    'RESULT {"requests":%d,"microseconds":%d,"bytes":%d,"failed":%d,"p50_us":%d,"p99_us":%d}',
    summary.requests, summary.duration, summary.bytes,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
