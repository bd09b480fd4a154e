local seed = 42
local function below(n)
  seed = (seed * 16807) % 2147483647
  return seed % n
end
local levels = { "DEBUG", "INFO", "INFO", "INFO", "WARN", "ERROR" }
local lines = {}
for i = 1, 200000 do
  local day, level, service, millis = 10 + below(20), levels[below(6) + 1], below(40), below(5000)
  lines[i] = "2026-01-" .. day .. " " .. level .. " service" .. service .. " took " .. millis .. " ms"
end
local text = table.concat(lines, "\n")
lines = nil
local found = {}
for line in text:gmatch("[^\n]+") do
  local parts = {}
  for part in line:gmatch("[^ ]+") do parts[#parts + 1] = part end
  if parts[2] == "ERROR" or parts[2] == "WARN" then
    local entry = found[parts[3]]
    if entry then
      entry.count = entry.count + 1
      entry.millis = entry.millis + math.tointeger(parts[5])
    else
      found[parts[3]] = { count = 1, millis = math.tointeger(parts[5]) }
    end
  end
end
local names = {}
for name in pairs(found) do names[#names + 1] = name end
table.sort(names)
for _, name in ipairs(names) do print(name .. " " .. found[name].count .. " " .. found[name].millis) end
