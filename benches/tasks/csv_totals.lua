local seed = 42
local function below(n)
  seed = (seed * 16807) % 2147483647
  return seed % n
end
local lines = { "date,category,units,price" }
for i = 1, 150000 do
  local day, category, units, price = 10 + below(18), below(30), 1 + below(20), below(10000)
  lines[#lines + 1] = "2026-02-" .. day .. ",category" .. category .. "," .. units .. "," .. price
end
local text = table.concat(lines, "\n")
lines = nil
local rows = {}
for line in text:gmatch("[^\n]+") do
  local row = {}
  for field in line:gmatch("[^,]+") do row[#row + 1] = field end
  rows[#rows + 1] = row
end
local header = rows[1]
local totals = {}
for i = 2, #rows do
  local row = {}
  for c = 1, #header do row[header[c]] = rows[i][c] end
  local amount = math.tointeger(row.units) * math.tointeger(row.price)
  totals[row.category] = (totals[row.category] or 0) + amount
end
local names = {}
for name in pairs(totals) do names[#names + 1] = name end
table.sort(names)
for _, name in ipairs(names) do print(name .. " " .. totals[name]) end
