local floor = math.floor
local Cache = {}
Cache.__index = Cache
function Cache:unlink(node)
  node.before.after = node.after
  node.after.before = node.before
end
function Cache:link(node)
  local ring = self.ring
  node.after = ring.after
  node.before = ring
  ring.after.before = node
  ring.after = node
end
function Cache:get(key)
  local node = self.nodes[key]
  if node == nil then return nil end
  self.hits = self.hits + 1
  self:unlink(node)
  self:link(node)
  return node.value
end
function Cache:put(key, value)
  if self.size >= self.limit then
    local oldest = self.ring.before
    self:unlink(oldest)
    self.nodes[oldest.key] = nil
    self.size = self.size - 1
  end
  local node = { key = key, value = value, before = nil, after = nil }
  self.nodes[key] = node
  self.size = self.size + 1
  self:link(node)
end

local function cache(limit)
  local ring = {}
  ring.before = ring
  ring.after = ring
  return setmetatable({ limit = limit, nodes = {}, ring = ring, hits = 0, size = 0 }, Cache)
end

local function main()
  local rounds = 500000
  local numbers, texts = cache(200), cache(100)
  local seed = 77
  local sum = 0
  for i = 1, rounds do
    seed = seed * 16807 % 2147483647
    local key = seed % 20 * (floor(seed / 20) % 20)
    local value = numbers:get(key)
    if value == nil then
      value = key * 3 + 1
      numbers:put(key, value)
    end
    sum = (sum + value) % 1000003
    local name = "user" .. seed % 150
    local size = texts:get(name)
    if size == nil then
      size = #name
      texts:put(name, size)
    end
    sum = sum + size
  end
  print(string.format("%d %d %d", sum, numbers.hits, texts.hits))
end
main()
