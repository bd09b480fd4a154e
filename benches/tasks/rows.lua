local seed = 42
local function below(n)
  seed = (seed * 16807) % 2147483647
  return seed % n
end
local rows = {}
for i = 0, 119999 do
  local x, y, kind = below(1000), below(1000), "k" .. below(8)
  rows[#rows + 1] = { id = i, x = x, y = y, kind = kind, done = false }
end
for round = 1, 5 do
  for _, row in ipairs(rows) do
    row.x = (row.x + row.y) % 1000
    if row.x > 900 then row.done = true end
  end
end
local kept, points = {}, {}
for _, row in ipairs(rows) do
  if row.done then kept[#kept + 1] = row end
end
for i, row in ipairs(kept) do points[i] = { x = row.x, y = row.y } end
local sum = 0
for _, point in ipairs(points) do sum = sum + point.x * point.y end
local kinds, names = {}, {}
for _, row in ipairs(kept) do
  if not kinds[row.kind] then names[#names + 1] = row.kind end
  kinds[row.kind] = (kinds[row.kind] or 0) + row.y
end
table.sort(names)
print(#kept .. " " .. sum)
for _, kind in ipairs(names) do print(kind .. " " .. kinds[kind]) end
