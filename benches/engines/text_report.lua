local floor, format = math.floor, string.format

local function split(text, separator)
  local result, start = {}, 1
  while true do
    local at = text:find(separator, start, true)
    if not at then break end
    result[#result + 1] = text:sub(start, at - 1)
    start = at + 1
  end
  result[#result + 1] = text:sub(start)
  return result
end

local function make_lines(count)
  local cities = { "lisbon", "oslo", "quito", "accra", "hanoi", "lima", "riga" }
  local goods = { "tea", "rice", "salt", "wool" }
  local lines = {}
  local seed = 3
  for i = 0, count - 1 do
    seed = seed * 16807 % 2147483647
    local city, good = cities[seed % 7 + 1], goods[floor(seed / 7) % 4 + 1]
    lines[i + 1] = i .. ";" .. city .. ";" .. good .. ";" .. floor(seed / 28) % 500
  end
  return table.concat(lines, "\n")
end

local function report(text)
  local totals, counts = {}, {}
  local lines = split(text, "\n")
  for i = 1, #lines do
    local fields = split(lines[i], ";")
    local key = fields[2] .. "/" .. fields[3]
    local amount = tonumber(fields[4])
    totals[key] = (totals[key] or 0) + amount
    counts[key] = (counts[key] or 0) + 1
  end
  local keys = {}
  for key in pairs(totals) do keys[#keys + 1] = key end
  table.sort(keys)
  local out = {}
  for i = 1, #keys do
    local key = keys[i]
    local mean = totals[key] / counts[key]
    local name, total = key:upper(), format("%d", totals[key])
    out[i] = name .. ("."):rep(14 - #name) .. (" "):rep(9 - #total) .. total .. format(" %.2f", mean)
  end
  return table.concat(out, "\n")
end

local function main()
  local rounds = 80
  local text = make_lines(4000)
  local sum, page = 0, ""
  for round = 1, rounds do
    page = report(text)
    local lines = split(page, "\n")
    for i = 1, #lines do
      sum = sum + #lines[i]:gsub("%.", "") + lines[i]:find("/", 1, true) - 1
    end
  end
  print(sum)
  print(split(page, "\n")[4])
end
main()
