local sub, max, floor = string.sub, math.max, math.floor

local function edit_distance(a, b)
  local previous = {}
  for k = 0, #b do previous[k] = k end
  for i = 1, #a do
    local current = { [0] = i }
    for k = 1, #b do
      local cost = sub(a, i, i) == sub(b, k, k) and 0 or 1
      local best = previous[k - 1] + cost
      if previous[k] + 1 < best then best = previous[k] + 1 end
      if current[k - 1] + 1 < best then best = current[k - 1] + 1 end
      current[k] = best
    end
    previous = current
  end
  return previous[#b]
end

local function common(a, b)
  local map = {}
  for i = 0, #a do
    local row = {}
    for k = 0, #b do row[k] = 0 end
    map[i] = row
  end
  for i = 1, #a do
    for k = 1, #b do
      if sub(a, i, i) == sub(b, k, k) then
        map[i][k] = map[i - 1][k - 1] + 1
      else
        map[i][k] = max(map[i - 1][k], map[i][k - 1])
      end
    end
  end
  return map[#a][#b]
end

local function knapsack(weights, values, room)
  local best = {}
  for w = 0, room do best[w] = 0 end
  for i = 1, #weights do
    local w = room
    while w >= weights[i] do
      local taken = best[w - weights[i]] + values[i]
      if taken > best[w] then best[w] = taken end
      w = w - 1
    end
  end
  return best[room]
end

local function text_of(size, seed)
  local letters = "acgt"
  local parts = {}
  for i = 1, size do
    seed = seed * 16807 % 2147483647
    local at = seed % 4 + 1
    parts[i] = sub(letters, at, at)
  end
  return table.concat(parts)
end

local function main()
  local size = 1100
  local a, b = text_of(size, 3), text_of(size, 8)
  local weights, values = {}, {}
  for i = 0, floor(size / 5) - 1 do
    weights[i + 1] = 3 + i * 7 % 23
    values[i + 1] = 10 + i * 13 % 31
  end
  print(string.format("%d %d %d", edit_distance(a, b), common(a, b), knapsack(weights, values, 5 * size)))
end
main()
