local seed = 42
local function below(n)
  seed = (seed * 16807) % 2147483647
  return seed % n
end
local function unique(items)
  local seen, out = {}, {}
  for _, item in ipairs(items) do
    if not seen[item] then
      seen[item] = true
      out[#out + 1] = item
    end
  end
  return out
end
local numbers, names = {}, {}
for i = 1, 300000 do
  numbers[i] = below(50000)
  names[i] = "name" .. below(20000)
end
local a, b = unique(numbers), unique(names)
print(#a .. " " .. a[#a])
print(#b .. " " .. b[#b])
local first, second, sizes, common = {}, {}, 0, 0
for i = 1, 60000 do
  if not first[numbers[i]] then sizes = sizes + 1 end
  first[numbers[i]] = true
end
for i = 100001, 160000 do
  if not second[numbers[i]] then sizes = sizes + 1 end
  second[numbers[i]] = true
end
for item in pairs(first) do
  if second[item] then common = common + 1 end
end
print(common .. " " .. (sizes - common))
