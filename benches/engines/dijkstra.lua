local floor = math.floor
local Heap = {}
Heap.__index = Heap
function Heap:put(entry)
  local items = self.items
  self.size = self.size + 1
  local at = self.size
  while at > 1 do
    local parent = floor(at / 2)
    if items[parent].cost <= entry.cost then break end
    items[at] = items[parent]
    at = parent
  end
  items[at] = entry
end
function Heap:take()
  local items = self.items
  local top = items[1]
  local entry = items[self.size]
  items[self.size] = nil
  self.size = self.size - 1
  local size = self.size
  if size == 0 then return top end
  local at = 1
  while true do
    local child = 2 * at
    if child > size then break end
    if child < size and items[child + 1].cost < items[child].cost then child = child + 1 end
    if items[child].cost >= entry.cost then break end
    items[at] = items[child]
    at = child
  end
  items[at] = entry
  return top
end

local function costs(size)
  local result = {}
  local seed = 11
  for i = 0, size * size - 1 do
    seed = seed * 16807 % 2147483647
    result[i] = 1 + seed % 9
  end
  return result
end

local function shortest(grid, size, start)
  local best = {}
  for i = 0, size * size - 1 do best[i] = 1000000000 end
  best[start] = 0
  local heap = setmetatable({ items = {}, size = 0 }, Heap)
  heap:put({ cost = 0, node = start })
  while heap.size > 0 do
    local entry = heap:take()
    local node = entry.node
    if entry.cost <= best[node] then
      local x, y = node % size, floor(node / size)
      for side = 0, 3 do
        local nx = side == 0 and x - 1 or side == 1 and x + 1 or x
        local ny = side == 2 and y - 1 or side == 3 and y + 1 or y
        if not (nx < 0 or ny < 0 or nx >= size or ny >= size) then
          local next = ny * size + nx
          local cost = entry.cost + grid[next]
          if cost < best[next] then
            best[next] = cost
            heap:put({ cost = cost, node = next })
          end
        end
      end
    end
  end
  return best
end

local function main()
  local size = 100
  local grid = costs(size)
  local sum = 0
  for round = 0, 49 do
    local best = shortest(grid, size, round * 199)
    for i = 0, size * size - 1 do sum = sum + best[i] end
  end
  print(string.format("%d", sum))
end
main()
