local max = math.max

local function skew(node)
  local left = node.left
  if left == nil or left.level ~= node.level then return node end
  node.left = left.right
  left.right = node
  return left
end

local function split(node)
  local right = node.right
  if right == nil or right.right == nil or right.right.level ~= node.level then return node end
  node.right = right.left
  right.left = node
  right.level = right.level + 1
  return right
end

local function insert(node, key, value)
  if node == nil then return { key = key, value = value, level = 1, left = nil, right = nil } end
  if key < node.key then
    node.left = insert(node.left, key, value)
  elseif key > node.key then
    node.right = insert(node.right, key, value)
  else
    node.value = node.value + value
    return node
  end
  return split(skew(node))
end

local Map = {}
Map.__index = Map
function Map:add(key, value)
  self.root = insert(self.root, key, value)
  self.size = self.size + 1
end
function Map:get(key)
  local node = self.root
  while node ~= nil do
    if key == node.key then return node.value end
    if key < node.key then node = node.left else node = node.right end
  end
  return nil
end
function Map:depth(node)
  if node == nil then return 0 end
  return 1 + max(self:depth(node.left), self:depth(node.right))
end
function Map:each(node, visit)
  if node == nil then return end
  self:each(node.left, visit)
  visit(node.key, node.value)
  self:each(node.right, visit)
end

local function main()
  local count = 100000
  local map = setmetatable({ root = nil, size = 0 }, Map)
  local seed = 23
  for i = 0, count - 1 do
    seed = seed * 16807 % 2147483647
    map:add(seed % (count * 2), i)
  end
  local found = 0
  for key = 0, count * 2 - 1 do
    if map:get(key) ~= nil then found = found + 1 end
  end
  local sum = 0
  map:each(map.root, function(key, value)
    sum = (sum * 7 + key + value) % 1000003
  end)
  print(string.format("%d %d %d", found, map:depth(map.root), sum))
end
main()
