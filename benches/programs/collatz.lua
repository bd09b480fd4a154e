local function steps(n)
  local count = 0
  while n ~= 1 do
    if n % 2 == 0 then n = n // 2 else n = 3 * n + 1 end
    count = count + 1
  end
  return count
end
local best, start = 0, 0
for n = 1, 99999 do
  local count = steps(n)
  if count > best then best, start = count, n end
end
print(start .. " " .. best)
