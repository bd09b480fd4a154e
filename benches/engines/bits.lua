-- Bit operations: the library of LuaJIT, the operators of Lua 5.4.
local band, bor, bxor, shl, shr
if bit then
  band, bor, bxor, shl, shr = bit.band, bit.bor, bit.bxor, bit.lshift, bit.rshift
else
  band = load("return function(a, b) return a & b end")()
  bor = load("return function(a, b) return a | b end")()
  bxor = load("return function(a, b) return a ~ b end")()
  shl = load("return function(a, n) return (a << n) & 0xffffffff end")()
  shr = load("return function(a, n) return (a & 0xffffffff) >> n end")()
end

local function unsigned(x) return x % 4294967296 end

local function xorshift(x)
  x = bxor(x, shl(x, 13))
  x = bxor(x, shr(x, 17))
  return unsigned(bxor(x, shl(x, 5)))
end

local function ones(x)
  x = unsigned(x - band(shr(x, 1), 0x55555555))
  x = band(x, 0x33333333) + band(shr(x, 2), 0x33333333)
  x = band(x + shr(x, 4), 0x0f0f0f0f)
  x = x + shr(x, 8)
  return band(x + shr(x, 16), 63)
end

local function reversed(x)
  local result = 0
  for i = 1, 32 do
    result = bor(shl(result, 1), band(x, 1))
    x = shr(x, 1)
  end
  return unsigned(result)
end

local function interleave(x, y)
  local result = 0
  for i = 0, 14 do
    result = bor(bor(result, shl(band(shr(x, i), 1), 2 * i)), shl(band(shr(y, i), 1), 2 * i + 1))
  end
  return result
end

local function subsets(mask)
  local count, part = 0, mask
  while part > 0 do
    count = count + 1
    part = band(part - 1, mask)
  end
  return count
end

local function main()
  local rounds = 1200000
  local x = 2463534242
  local sum = 0
  for i = 0, rounds - 1 do
    x = xorshift(x)
    sum = (sum + ones(x) + bxor(i, shr(i, 1))) % 1000003
    if i % 4 == 0 then sum = unsigned(bxor(sum, reversed(x))) end
    if i % 16 == 0 then sum = unsigned(sum + interleave(band(x, 32767), band(i, 32767))) end
    if i % 64 == 0 then sum = unsigned(sum + subsets(band(x, 4095))) end
  end
  print(string.format("%d %d", x, sum))
end
main()
