local seed = 42
local function below(n)
  seed = (seed * 16807) % 2147483647
  return seed % n
end
local lines = {}
for i = 1, 300000 do
  local number = below(1000000)
  lines[i] = "line " .. number .. " of the text, with words " .. below(100)
end
local text = table.concat(lines, "\n")
lines = nil
local parts = {}
for part in text:gmatch("[^\n]+") do parts[#parts + 1] = part end
table.sort(parts)
local out = table.concat(parts, "\n"):gsub("words", "terms"):gsub("line", "row")
print(#out)
print(out:sub(1, 40))
print(out:sub(-40))
