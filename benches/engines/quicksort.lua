local floor = math.floor

local function fill(count, seed)
  local items = {}
  for i = 1, count do
    seed = seed * 16807 % 2147483647
    items[i] = seed % 100000
  end
  return items
end

local function quicksort(items, low, high)
  while low < high do
    local pivot = items[floor((low + high) / 2)]
    local i, j = low, high
    while i <= j do
      while items[i] < pivot do i = i + 1 end
      while items[j] > pivot do j = j - 1 end
      if i <= j then
        items[i], items[j] = items[j], items[i]
        i = i + 1
        j = j - 1
      end
    end
    quicksort(items, low, j)
    low = i
  end
end

local function shell_sort(items)
  local gap = floor(#items / 2)
  while gap > 0 do
    for i = gap + 1, #items do
      local item = items[i]
      local k = i
      while k > gap and items[k - gap] > item do
        items[k] = items[k - gap]
        k = k - gap
      end
      items[k] = item
    end
    gap = floor(gap / 2)
  end
end

local function position(items, wanted)
  local low, high = 1, #items + 1
  while low < high do
    local middle = floor((low + high) / 2)
    if items[middle] < wanted then low = middle + 1 else high = middle end
  end
  return low - 1
end

local function checksum(items)
  local sum = 0
  for i = 1, #items do sum = (sum * 17 + items[i]) % 1000003 end
  return sum
end

local function main()
  local total = 0
  for round = 0, 9 do
    local first = fill(40000, 1 + round)
    quicksort(first, 1, #first)
    total = total + checksum(first)
    local second = fill(20000, 50 + round)
    shell_sort(second)
    total = total + checksum(second)
    for wanted = 0, 29999 do total = total + position(first, wanted * 3) % 7 end
  end
  print(string.format("%d", total))
end
main()
