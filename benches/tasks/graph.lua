local seed = 42
local function below(n)
  seed = (seed * 16807) % 2147483647
  return seed % n
end
local N = 60000
local graph = {}
for i = 0, N - 1 do graph[i] = {} end
for i = 1, N * 3 do
  local a = below(N)
  local b = below(N)
  table.insert(graph[a], b)
  table.insert(graph[b], a)
end
for start = 0, 4 do
  local distance = { [start] = 0 }
  local queue = { start }
  local head = 1
  while head <= #queue do
    local node = queue[head]
    head = head + 1
    local following = distance[node] + 1
    for _, other in ipairs(graph[node]) do
      if not distance[other] then
        distance[other] = following
        queue[#queue + 1] = other
      end
    end
  end
  local sum = 0
  for _, node in ipairs(queue) do sum = sum + distance[node] * (node % 7) end
  print(#queue .. " " .. sum)
end
