-- Bit operations: the library of LuaJIT, the operators of Lua 5.4.
local band, bxor, shr
if bit then
  band, bxor, shr = bit.band, bit.bxor, bit.rshift
else
  band = load("return function(a, b) return a & b end")()
  bxor = load("return function(a, b) return a ~ b end")()
  shr = load("return function(a, n) return (a & 0xffffffff) >> n end")()
end

local function make_table()
  local result = {}
  for n = 0, 255 do
    local c = n
    for k = 1, 8 do
      if band(c, 1) == 1 then c = bxor(0xedb88320, shr(c, 1)) else c = shr(c, 1) end
    end
    result[n] = c
  end
  return result
end

local function crc32(bytes, map)
  local crc = 0xffffffff
  for i = 1, #bytes do crc = bxor(map[band(bxor(crc, bytes[i]), 255)], shr(crc, 8)) end
  return bxor(crc, 0xffffffff) % 4294967296
end

local function adler32(bytes)
  local a, b = 1, 0
  for i = 1, #bytes do
    a = (a + bytes[i]) % 65521
    b = (b + a) % 65521
  end
  return b * 65536 + a
end

local function fnv(bytes)
  local hash = 40389
  for i = 1, #bytes do hash = band(bxor(hash, bytes[i]) * 16777 % 16777216, 0xffffff) end
  return hash
end

local function main()
  local rounds = 300
  local bytes = {}
  local seed = 1
  for i = 1, 20000 do
    seed = seed * 16807 % 2147483647
    bytes[i] = band(seed, 255)
  end
  local map = make_table()
  local sum = 0
  for round = 0, rounds - 1 do
    bytes[round + 1] = band(round, 255)
    sum = (sum + crc32(bytes, map) + adler32(bytes) + fnv(bytes)) % 1000000007
  end
  print(string.format("%d %d", crc32(bytes, map), sum))
end
main()
